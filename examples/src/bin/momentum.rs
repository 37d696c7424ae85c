//! The momentum trader of the demo, over gRPC.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tidegate_examples::run("momentum").await
}
