//! What the controller does not do, and what it says then.

use std::net::SocketAddr;
use std::sync::Arc;

use phalanx_controller::{Controller, ControllerConfig};
use phalanx_profile::{ConnectionFile, Profile, Role};
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::client_message::Kind as Say;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::node_message::Kind as NodeSay;
use phalanx_proto::v1::nodes_client::NodesClient;
use phalanx_proto::v1::{
    AbortRequest, After, BalancedPlan, ClientMessage, Draining, JobRefused, JobsRequest, NodeMessage,
    PurgeRequest, Refusal, StatusRequest, Submit, submit,
};
use phalanx_proto::version::PROTOCOL_VERSION;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::node::{Node, register};
use crate::peer::{Client, balanced, direct, encoded, hello, id, program, submission};
use crate::world::{PATIENCE, World};

#[tokio::test]
async fn another_protocol_is_refused_on_both_services() {
    let world = World::start().await;
    let (says, mut hears) = Client::connect(world.channel().await).await;
    let greeting = hello(PROTOCOL_VERSION + 1, "h", program(b"p"));
    says.send(ClientMessage { kind: Some(greeting) }).await.unwrap();
    let Some(Event::Goodbye(goodbye)) = hears.message().await.unwrap().unwrap().kind else {
        panic!("a goodbye")
    };
    assert_eq!(goodbye.code(), Refusal::Version);
    assert!(goodbye.message.contains("upgrade the controller"), "{}", goodbye.message);

    let mut node = Node::connect(world.channel().await).await;
    node.say(register(PROTOCOL_VERSION - 1, 1)).await;
    let goodbye = node.hear_goodbye().await;
    assert_eq!(goodbye.code(), Refusal::Version);
    assert!(goodbye.message.contains("upgrade the engine"), "{}", goodbye.message);
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_session_begins_with_a_greeting() {
    let world = World::start().await;
    let (says, mut hears) = Client::connect(world.channel().await).await;
    says.send(ClientMessage { kind: None }).await.unwrap();
    let Some(Event::Goodbye(goodbye)) = hears.message().await.unwrap().unwrap().kind else {
        panic!("a goodbye")
    };
    assert_eq!(goodbye.code(), Refusal::Malformed);
    let mut node = Node::connect(world.channel().await).await;
    node.say(NodeSay::Draining(Draining {})).await;
    assert_eq!(node.hear_goodbye().await.code(), Refusal::Malformed);
    world.must_be_alive().await;
}

async fn refused(client: &mut Client, submit: Submit) -> JobRefused {
    client.say(Say::Submit(submit)).await;
    match client.hear().await {
        Event::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn jobs_that_cannot_be_are_refused_and_the_session_goes_on() {
    let world = World::start_with(|config| config.limits.payload_bytes_max = 1 << 20).await;
    let mut client = Client::join(&world).await;
    let none = refused(&mut client, submission(1, 1, direct(&[]))).await;
    assert_eq!((none.job, none.code()), (1, Refusal::NoEngines));
    assert!(none.message.contains("engine --profile"), "{}", none.message);
    let unknown = refused(&mut client, submission(2, 1, direct(&[12]))).await;
    assert_eq!(unknown.code(), Refusal::UnknownEngine);
    let large = refused(&mut client, submission(3, 1 << 20, balanced(1))).await;
    assert_eq!(large.code(), Refusal::Limit);
    assert!(large.message.contains("--payload-limit"), "{}", large.message);
    let varying = Submit { stride: 0, varying: true, ..submission(4, 1 << 22, balanced(1 << 21)) };
    assert_eq!(refused(&mut client, varying).await.code(), Refusal::Limit);
    client.submit(submission(5, 0, balanced(1))).await;
    assert!(matches!(client.hear().await, Event::Finished(_)));
}

#[tokio::test]
async fn a_job_that_grows_beyond_the_limit_is_refused_then() {
    let world = World::start_with(|config| config.limits.payload_bytes_max = 1 << 20).await;
    let mut client = Client::join(&world).await;
    client.submit(Submit { stride: 0, varying: true, ..submission(1, 10, balanced(1)) }).await;
    let segment = |len: u32| {
        Say::Segment(phalanx_proto::v1::Segment {
            job: 1,
            lens: len.to_le_bytes().to_vec().into(),
            data: vec![0; len as usize].into(),
        })
    };
    client.say(segment(800_000)).await;
    client.say(segment(800_000)).await;
    client.say(segment(800_000)).await;
    let Event::Refused(refused) = client.hear().await else { panic!("a refusal") };
    assert_eq!((refused.job, refused.code()), (1, Refusal::Limit));
    assert_eq!(world.status().await.payload_bytes, 0);
    world.must_be_alive().await;
}

#[tokio::test]
async fn data_that_contradicts_the_job_ends_the_session() {
    let world = World::start().await;
    let mut client = Client::join(&world).await;
    client.submit(submission(1, 1, balanced(1))).await;
    client.segment(1, vec![0; 9]).await;
    assert_eq!(client.hear_goodbye().await.code(), Refusal::Malformed);
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_session() {
    let world = World::start().await;
    let mut client = Client::join(&world).await;
    client.submit(submission(1, 1 << 24, balanced(1))).await;
    client.segment(1, vec![0; MESSAGE_BYTES_MAX + 1]).await;
    let goodbye = client.hear_goodbye().await;
    assert_eq!(goodbye.code(), Refusal::Malformed);
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_certificate_opens_its_own_service_only() {
    let world = World::start().await;
    let engine = world.remote(Role::Engine).await;
    let client = world.remote(Role::Client).await;
    let (_keep, said) = tokio::sync::mpsc::channel::<NodeMessage>(1);
    let said = tokio_stream::wrappers::ReceiverStream::new(said);
    let refused = NodesClient::new(client.clone()).session(said).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("engine.json"), "{}", refused.message());
    let refused = ClusterClient::new(engine.clone()).status(StatusRequest {}).await.unwrap_err();
    assert!(refused.message().contains("client.json"), "{}", refused.message());
    let refused = ClusterClient::new(engine.clone()).jobs(JobsRequest {}).await.unwrap_err();
    assert!(refused.message().contains("client.json"), "{}", refused.message());
    let refused = ClusterClient::new(engine.clone()).purge(PurgeRequest::default()).await.unwrap_err();
    assert!(refused.message().contains("client.json"), "{}", refused.message());
    let refused = ClusterClient::new(engine.clone()).abort(AbortRequest::default()).await.unwrap_err();
    assert!(refused.message().contains("client.json"), "{}", refused.message());
    // Nobody attaches to a job without a session, and a session is for clients.
    let (_keep, said) = tokio::sync::mpsc::channel::<ClientMessage>(1);
    let said = tokio_stream::wrappers::ReceiverStream::new(said);
    let refused = ClusterClient::new(engine.clone()).session(said).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Over TCP everything works that works over the socket.
    ClusterClient::new(client.clone()).status(StatusRequest {}).await.unwrap();
    let mut node = Node::connect(engine).await;
    node.say(register(PROTOCOL_VERSION, 1)).await;
    assert!(matches!(node.hear().await, phalanx_proto::v1::node_command::Kind::Registered(_)));
    Client::join_as(client, "h", program(b"p")).await;
}

/// Each name is looked for among all jobs, and nobody else is served meanwhile.
#[tokio::test]
async fn names_of_jobs_to_abort_are_bounded_and_each_must_fit_one() {
    let world = World::start().await;
    let mut client = Client::join(&world).await;
    for (job, label) in [(1, "first"), (2, "second")] {
        let submit = submission(job, 1, balanced(1));
        client.submit(Submit { label: label.to_owned(), ..submit }).await;
    }
    let mut cluster = ClusterClient::new(world.remote(Role::Client).await);
    let mut abort = async |names: &[&str]| {
        let jobs = names.iter().map(|name| (*name).to_owned()).collect();
        cluster.abort(AbortRequest { jobs }).await
    };
    let refused = abort(&["first"; 65]).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("at most 64"), "{refused}");
    for names in [&["first", ""][..], &["first", "001"], &["first", "third"], &["first", "\u{1b}[2J"]] {
        assert_eq!(abort(names).await.unwrap_err().code(), Code::NotFound, "{names:?}");
    }
    assert!(abort(&[]).await.unwrap().into_inner().jobs.is_empty());
    let both = abort(&["second", "first", "second"]).await.unwrap().into_inner().jobs;
    assert_eq!(
        both.iter().map(|job| job.label.as_str()).collect::<Vec<_>>(),
        ["first", "second"],
        "each once, and none before"
    );
    world.must_be_alive().await;
}

#[tokio::test]
async fn without_a_certificate_nothing_can_be_called() {
    let world = World::start().await;
    let file = world.file(Role::Client);
    let address = world.controller.local_addr().unwrap();
    let said = verdict_without_certificate(&file, address).await;
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    let plain = Endpoint::from_shared(format!("http://{address}")).unwrap();
    if let Ok(channel) = plain.connect().await {
        ClusterClient::new(channel).status(StatusRequest {}).await.unwrap_err();
    }
    world.must_be_alive().await;
}

/// What TLS says to somebody who trusts the controller, and shows nothing that it could trust. In TLS 1.3 that is
/// heard only by reading on after the handshake.
async fn verdict_without_certificate(file: &ConnectionFile, address: SocketAddr) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(file.ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(file.server_name.clone()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let read = timeout(PATIENCE, stream.read_u8()).await.expect("an answer");
    read.expect_err("the controller must not talk to it").to_string()
}

#[tokio::test]
async fn garbage_is_nobodys_session() {
    let world = World::start().await;
    let address = world.controller.local_addr().unwrap();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 4096],
        b"\x16\x03\x01\xff\xff",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // An alert, a reset, nothing: but the connection ends.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends");
        let mut socket = UnixStream::connect(world.controller.socket()).await.unwrap();
        socket.write_all(garbage).await.unwrap();
    }
    let silent: Vec<TcpStream> = {
        let mut silent = Vec::new();
        for _ in 0..50 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        silent
    };
    world.must_be_alive().await;
    ClusterClient::new(world.remote(Role::Client).await).status(StatusRequest {}).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_shutdown_is_announced_and_leaves_no_socket() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    let socket = world.controller.socket().to_owned();
    let World { controller, .. } = world;
    let stopping = tokio::spawn(controller.shutdown());
    let goodbye = client.hear_goodbye().await;
    assert_eq!(goodbye.code(), Refusal::Shutdown);
    assert_eq!(node.hear_goodbye().await.code(), Refusal::Shutdown);
    drop((client, node));
    stopping.await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn one_profile_has_one_controller() {
    let directory = tempfile::tempdir().unwrap();
    let profile = Profile::at(directory.path().join("test")).unwrap();
    let first = Controller::start(ControllerConfig::local(profile.clone())).await.unwrap();
    let second = Controller::start(ControllerConfig::local(profile.clone())).await.unwrap_err();
    assert!(second.is_already_running());
    assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
    first.shutdown().await;
    Controller::start(ControllerConfig::local(profile)).await.unwrap().shutdown().await;
}

/// Who submits a job, what waits for it and what cleans up after it in one breath does not know yet that it is refused.
#[tokio::test]
async fn a_job_that_was_refused_counts_as_failed_for_those_that_wait_for_it() {
    let world = World::start().await;
    let mut node = Node::join(&world, 1).await;
    let mut client = Client::join(&world).await;
    let plan = |needs: &[&str], after: Vec<After>| {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        submit::Plan::Balanced(BalancedPlan { chunksize: 1, needs, after, ..BalancedPlan::default() })
    };
    let after = |jobs: &[u64], success, failure| After {
        jobs: jobs.iter().map(|job| id(*job).to_bytes().to_vec().into()).collect(),
        success,
        failure,
        ..After::default()
    };
    client.say(Say::Submit(submission(1, 1, plan(&["gpu"], vec![])))).await;
    client.say(Say::Submit(submission(2, 1, plan(&[], vec![after(&[1], true, false)])))).await;
    client.say(Say::Submit(submission(3, 1, plan(&[], vec![after(&[2], true, false)])))).await;
    client.say(Say::Submit(submission(4, 1, plan(&[], vec![after(&[1, 2], false, true)])))).await;
    let either = After { any: true, ..after(&[1, 4], true, false) };
    client.say(Say::Submit(submission(5, 1, plan(&[], vec![either])))).await;
    let one_failure = After { any: true, ..after(&[1, 4], false, true) };
    client.say(Say::Submit(submission(6, 1, plan(&[], vec![one_failure])))).await;
    for job in [1, 2, 3] {
        let Event::Refused(refused) = client.hear().await else { panic!("job {job} is not refused") };
        assert_eq!((refused.job, refused.code()), (job, Refusal::Impossible), "{}", refused.message);
    }
    for job in [4, 5, 6] {
        assert!(matches!(client.hear().await, Event::Accepted(accepted) if accepted.job == job));
    }
    for job in [4, 5, 6] {
        client.segment(job, encoded(&[21])).await;
        let assign = node.assigned().await;
        node.answer(&assign).await;
        assert_eq!(client.values_until_finished(job).await, [(0, 42)]);
    }
}
