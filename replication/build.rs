//! Compiles the `.proto` file with protox, which needs no `protoc` on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["etcd.proto"], ["proto"])?;
    // A test has a store of its own behind the same interface.
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
