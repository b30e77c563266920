//! Who is there: both ends prove that they know the session's secret, without telling it.
//!
//! ```text
//! connecting                                      accepting
//!   hello: magic, from, to, size, program, nonce  →
//!                         ←  answer: size, program, nonce, proof
//!   proof                                         →
//!                                              ←  welcome
//! ```
//!
//! A proof is the BLAKE3 hash, keyed with the secret, of the prover's role, the hello, the answer, and the connection's binding. So it cannot be replayed
//! (both nonces are in it), reflected (the role is), or moved to other ranks, sizes or programs. Only after the other's proof is right
//! does either end look at what the other said.
//!
//! All of this is said inside TLS where the connection leaves the host. There the binding is a secret of that one TLS connection, so whoever has a
//! connection of his own to each end cannot pass a proof from one on to the other. TLS shows the connecting end who accepts, by the certificate in
//! its address; the proof shows the accepting end who connects, and needs no second certificate for it, as the secret is known to ranks only.

use std::io;
use std::time::Instant;

use thiserror::Error;

use super::stream::Stream;

const MAGIC: &[u8; 8] = b"PHXCOMM2";
const HELLO_BYTES: usize = 8 + 4 + 4 + 4 + 32 + 32;
const ANSWER_BYTES: usize = 4 + 32 + 32;
const PROOF_BYTES: usize = 32;
const WELCOME: u8 = 0x57;

/// What the ranks of one session share, and nobody else knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<[u8; 32]> for Secret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Secret {
    /// A new one, from the operating system's randomness.
    ///
    /// ```
    /// use phalanx_comm::transport::sockets::Secret;
    /// assert_ne!(Secret::new()?, Secret::new()?);
    /// assert_eq!(format!("{:?}", Secret::new()?), "Secret(…)");
    /// # Ok::<(), phalanx_comm::CommError>(())
    /// ```
    pub fn new() -> Result<Self, crate::CommError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(crate::CommError::start)?;
        Ok(Self(bytes))
    }

    /// The bytes, to hand them to the other ranks over a way that nobody else can read.
    ///
    /// ```
    /// # use phalanx_comm::transport::sockets::Secret;
    /// let secret = Secret::new()?;
    /// assert_eq!(Secret::from(*secret.reveal()), secret);
    /// # Ok::<(), phalanx_comm::CommError>(())
    /// ```
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

/// One end of a handshake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) secret: Secret,
    pub(super) rank: u32,
    pub(super) size: u32,
    pub(super) program: [u8; 32],
}

#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it does not know the session's secret")]
    Stranger,
    #[error("it speaks something else")]
    Language,
    #[error("it does not have the certificate that its address names")]
    Certificate,
    #[error("no TLS with it: {0}")]
    Tls(rustls::Error),
    /// It knows the secret, so it should have been right.
    #[error("{message}")]
    Differs { rank: u32, message: String },
}

impl From<rustls::Error> for HandshakeError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) => Self::Certificate,
            error => Self::Tls(error),
        }
    }
}

/// What both ends have seen of a handshake.
struct Transcript<'a> {
    hello: &'a [u8],
    answer: &'a [u8],
    binding: [u8; 32],
}

impl Identity {
    /// Connects to a rank.
    pub(super) fn greet(
        &self,
        stream: &mut Stream,
        to: u32,
        deadline: Instant,
    ) -> Result<(), HandshakeError> {
        let binding = stream.secure(deadline)?;
        let mut hello = Vec::with_capacity(HELLO_BYTES);
        hello.extend_from_slice(MAGIC);
        for n in [self.rank, to, self.size] {
            hello.extend_from_slice(&n.to_le_bytes());
        }
        hello.extend_from_slice(&self.program);
        hello.extend_from_slice(&nonce()?);
        stream.send_all(&hello, deadline)?;

        let mut answer = [0; ANSWER_BYTES + PROOF_BYTES];
        stream.receive_all(&mut answer, deadline)?;
        let (answer, proof) = answer.split_at(ANSWER_BYTES);
        let transcript = Transcript { hello: &hello, answer, binding };
        self.check("accepting", &transcript, proof)?;
        let size = u32::from_le_bytes(answer[..4].try_into().expect("four bytes"));
        let same = self.compare(to, size, &answer[4..36]);
        stream.send_all(self.proof("connecting", &transcript).as_bytes(), deadline)?;
        same?;
        let mut welcome = [0];
        stream.receive_all(&mut welcome, deadline)?;
        if welcome == [WELCOME] { Ok(()) } else { Err(HandshakeError::Language) }
    }

    /// Finds out which rank has connected.
    pub(super) fn receive(&self, stream: &mut Stream, deadline: Instant) -> Result<u32, HandshakeError> {
        let binding = stream.secure(deadline)?;
        let mut hello = [0; HELLO_BYTES];
        stream.receive_all(&mut hello, deadline)?;
        if hello[..8] != *MAGIC {
            return Err(HandshakeError::Language);
        }
        let mut answer = Vec::with_capacity(ANSWER_BYTES + PROOF_BYTES);
        answer.extend_from_slice(&self.size.to_le_bytes());
        answer.extend_from_slice(&self.program);
        answer.extend_from_slice(&nonce()?);
        let transcript = Transcript { hello: &hello, answer: &answer, binding };
        let proof = self.proof("accepting", &transcript);
        stream.send_all(&[&answer[..], proof.as_bytes()].concat(), deadline)?;

        let mut proof = [0; PROOF_BYTES];
        stream.receive_all(&mut proof, deadline)?;
        self.check("connecting", &transcript, &proof)?;
        let u32_at = |at: usize| u32::from_le_bytes(hello[at..at + 4].try_into().expect("four bytes"));
        let (from, to, size) = (u32_at(8), u32_at(12), u32_at(16));
        self.compare(from, size, &hello[20..52])?;
        if to != self.rank || from <= self.rank || from >= self.size {
            let message = format!("rank {from} looked for rank {to} at rank {}", self.rank);
            return Err(HandshakeError::Differs { rank: from, message });
        }
        stream.send_all(&[WELCOME], deadline)?;
        Ok(from)
    }

    fn proof(&self, role: &str, seen: &Transcript<'_>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret.0);
        // All parts but the role have fixed lengths.
        hasher.update(seen.hello).update(seen.answer).update(&seen.binding).update(role.as_bytes());
        hasher.finalize()
    }

    fn check(&self, role: &str, seen: &Transcript<'_>, proof: &[u8]) -> Result<(), HandshakeError> {
        // The comparison of hashes takes the same time wherever they differ.
        match <[u8; 32]>::try_from(proof) {
            Ok(proof) if self.proof(role, seen) == blake3::Hash::from(proof) => Ok(()),
            _ => Err(HandshakeError::Stranger),
        }
    }

    fn compare(&self, rank: u32, size: u32, program: &[u8]) -> Result<(), HandshakeError> {
        if size != self.size {
            let message =
                format!("rank {rank} is one of {size} ranks, rank {} one of {}", self.rank, self.size);
            return Err(HandshakeError::Differs { rank, message });
        }
        if *program != self.program {
            let message = format!("rank {rank} runs another program than rank {}", self.rank);
            return Err(HandshakeError::Differs { rank, message });
        }
        Ok(())
    }
}

fn nonce() -> io::Result<[u8; 32]> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(nonce)
}
