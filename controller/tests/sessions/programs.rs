//! Executables on their way from clients to nodes.

use std::env;

use phalanx_programs::hash_file;
use phalanx_proto::host;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::nodes_client::NodesClient;
use phalanx_proto::v1::{Program, ProgramPiece, ProgramRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::peer::{Client, program};
use crate::world::World;

/// Fetches a program: what was said of it, and its bytes.
async fn fetch(channel: Channel, hash: Vec<u8>) -> Result<(Program, Vec<u8>), Status> {
    let request = ProgramRequest { hash: hash.into(), host_id: "a node".into() };
    let mut pieces = NodesClient::new(channel).fetch_program(request).await?.into_inner();
    let first = pieces.message().await?.expect("a first piece");
    let mut bytes = first.data.to_vec();
    while let Some(piece) = pieces.message().await? {
        bytes.extend_from_slice(&piece.data);
    }
    Ok((first.program.expect("the first piece says what it is"), bytes))
}

async fn upload(channel: Channel, announced: Program, bytes: &[u8]) -> Result<(), Status> {
    let mut pieces = vec![ProgramPiece { program: Some(announced), data: vec![].into() }];
    pieces
        .extend(bytes.chunks(100_000).map(|data| ProgramPiece { program: None, data: data.to_vec().into() }));
    ClusterClient::new(channel).upload_program(tokio_stream::iter(pieces)).await.map(|_| ())
}

async fn hear_need(client: &mut Client) -> Vec<u8> {
    match client.hear().await {
        Event::NeedProgram(need) => need.hash.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nodes_that_wait_for_a_program_share_one_upload() {
    let world = World::start().await;
    let bytes: Vec<u8> = (0..1_500_000_u32).map(|i| (i % 251) as u8).collect();
    let announced = program(&bytes);
    let mut client = Client::join_as(world.channel().await, "far away", announced.clone()).await;
    let first = tokio::spawn(fetch(world.channel().await, announced.hash.to_vec()));
    let second = tokio::spawn(fetch(world.channel().await, announced.hash.to_vec()));
    assert_eq!(hear_need(&mut client).await, announced.hash);
    upload(world.channel().await, announced.clone(), &bytes).await.unwrap();
    for fetched in [first, second] {
        let (described, found) = fetched.await.unwrap().unwrap();
        assert_eq!((described.size, &described.target), (bytes.len() as u64, &announced.target));
        assert!(found == bytes);
    }
    // From now on it is here, with or without the client.
    drop(client);
    let (_, found) = fetch(world.channel().await, announced.hash.to_vec()).await.unwrap();
    assert!(found == bytes);
}

#[tokio::test]
async fn a_program_on_this_host_is_copied_and_not_asked_for() {
    let world = World::start().await;
    let path = env::current_exe().unwrap();
    let (hash, size) = hash_file(&path).unwrap();
    let announced = Program { hash: hash.to_vec().into(), size, path: "/gone".into(), target: "t".into() };
    let client = Client::join_as(world.channel().await, &host::id(), announced).await;
    let (described, found) = fetch(world.channel().await, hash.to_vec()).await.unwrap();
    assert_eq!((described.size, found.len() as u64), (size, size));
    assert_eq!(*blake3::hash(&found).as_bytes(), hash);
    drop(client);
}

#[tokio::test]
async fn other_bytes_than_announced_are_not_passed_on() {
    let world = World::start().await;
    let announced = program(b"what it says");
    let mut client = Client::join_as(world.channel().await, "far away", announced.clone()).await;
    let fetching = tokio::spawn(fetch(world.channel().await, announced.hash.to_vec()));
    hear_need(&mut client).await;
    let refused = upload(world.channel().await, announced.clone(), b"what it is!!").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let failed = fetching.await.unwrap().unwrap_err();
    assert_eq!(failed.code(), Code::NotFound);
    assert!(failed.message().contains("arrived as"), "{}", failed.message());
    world.must_be_alive().await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_nobody_waiting() {
    let world = World::start().await;
    let announced = program(b"never sent");
    let mut client = Client::join_as(world.channel().await, "far away", announced.clone()).await;
    let fetching = tokio::spawn(fetch(world.channel().await, announced.hash.to_vec()));
    hear_need(&mut client).await;
    drop(client);
    let failed = fetching.await.unwrap().unwrap_err();
    assert!(failed.message().contains("went away"), "{}", failed.message());
}

#[tokio::test]
async fn nobody_stores_what_nobody_asked_for() {
    let world = World::start().await;
    let announced = program(b"unasked");
    let refused = upload(world.channel().await, announced.clone(), b"unasked").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let unknown = fetch(world.channel().await, announced.hash.to_vec()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let nonsense = fetch(world.channel().await, vec![1, 2, 3]).await.unwrap_err();
    assert_eq!(nonsense.code(), Code::InvalidArgument);
}
