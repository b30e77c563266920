//! Compiles the `.proto` files without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "grpc")]
    {
        let files = protox::compile(["proto/phalanx/v1/phalanx.proto"], ["proto"])?;
        tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    }
    println!("cargo:rerun-if-changed=proto/phalanx/v1/phalanx.proto");
    Ok(())
}
