//! TLS of the edge: who may come in, and what those hear who may not.

mod support;

use std::time::{Duration, Instant};
use support::authority::Authority;
use support::*;
use tidegate_client::proto::*;
use tidegate_client::tls::Tls;
use tidegate_client::{Client, ClientError, EventFilter};
use tidegate_edge::{EdgeConfig, EdgeTls, Limits as EdgeLimits};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Long enough for whatever is refused at once.
const SOON: Duration = Duration::from_secs(3);

/// A house whose edge speaks TLS alone.
async fn encrypted(tls: EdgeTls, limits: EdgeLimits) -> House {
    let house = House::new(config()).await;
    house.restart_edge_with(EdgeConfig { tls: Some(tls), limits, ..config() }).await
}

/// What somebody hears who may not come in: with every cause, and soon.
async fn refused(connecting: impl Future<Output = Result<Client, ClientError>>) -> String {
    let began = Instant::now();
    let error = connecting.await.expect_err("it should be refused");
    assert!(began.elapsed() < SOON, "after {:?}: {error}", began.elapsed());
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn with_a_certificate_of_the_authority_everything_works() {
    let ours = Authority::new();
    let mut house = encrypted(ours.edge(), EdgeLimits::default()).await;
    let tls = ours.client(&ours.ca());
    let trader = Client::connect_tls(&house.addr, Some(TRADER), tls.clone()).await;
    let trader = trader.expect("a connection");
    let mut events = trader.events(None, EventFilter::default());
    let order = house.order(Side::Buy, "100", "10.00");
    let report = trader.submit(order).await.expect("a report");
    assert_eq!(report.reject, None);
    while events.next().await.expect("they come").position != report.position {}
    // A name is as good as an address; the certificate is no token.
    let by_name = house.addr.replace("127.0.0.1", "localhost");
    let stranger = Client::connect_tls(&by_name, None, tls).await.expect("a connection");
    let order = house.order(Side::Buy, "100", "10.00");
    assert_eq!(failure(stranger.submit(order).await).0, tonic::Code::Unauthenticated);
    house.close().await;
}

#[tokio::test]
async fn nobody_else_comes_in() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let house = encrypted(ours.edge(), EdgeLimits::default()).await;
    let connect = |tls| Client::connect_tls(&house.addr, Some(ADMIN), tls);
    let none = Tls::read(&ours.ca(), None).expect("an authority");
    let text = refused(connect(none)).await;
    assert!(text.contains("CertificateRequired"), "{text}");
    let text = refused(connect(theirs.client(&ours.ca()))).await;
    assert!(text.contains("received fatal alert"), "{text}");
    // An edge that is not the one that the client trusts.
    let text = refused(connect(ours.client(&theirs.ca()))).await;
    assert!(text.contains("invalid peer certificate"), "{text}");
    assert!(connect(ours.client(&ours.ca())).await.is_ok());

    // Without TLS the first call is answered at once with what to do.
    let plain = house.addr.replace("https://", "http://");
    let began = Instant::now();
    let error = match Client::connect(&plain, Some(ADMIN)).await {
        Ok(client) => client.get_status(GetStatusRequest {}).await.expect_err("refused"),
        Err(error) => error,
    };
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(error.to_string().contains("https://"), "{error}: {error:?}");
    house.close().await;
}

#[tokio::test]
async fn an_edge_that_asks_for_no_certificates_takes_everybody_with_a_token() {
    let ours = Authority::new();
    let open = EdgeTls { client_ca: None, ..ours.edge() };
    let house = encrypted(open, EdgeLimits::default()).await;
    let none = Tls::read(&ours.ca(), None).expect("an authority");
    let admin = Client::connect_tls(&house.addr, Some(ADMIN), none).await.expect("a connection");
    admin.get_status(GetStatusRequest {}).await.expect("an answer");
    house.close().await;
}

#[tokio::test]
async fn who_says_nothing_is_cut_and_holds_nobody_up() {
    let ours = Authority::new();
    let house =
        encrypted(ours.edge(), EdgeLimits { connections_max: 20, ..Default::default() }).await;
    let addr = house.addr.trim_start_matches("https://");
    let mut silent = Vec::new();
    for _ in 0..19 {
        silent.push(TcpStream::connect(addr).await.expect("it listens"));
    }
    let connect = || Client::connect_tls(&house.addr, Some(ADMIN), ours.client(&ours.ca()));
    let began = Instant::now();
    let admin = connect().await.expect("a connection");
    admin.get_status(GetStatusRequest {}).await.expect("an answer");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for mut stream in silent {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0; 64])).await;
        assert!(matches!(read.expect("in time"), Ok(0) | Err(_)), "it was cut");
    }
    // Their places are free again.
    let mut all = Vec::new();
    for _ in 0..19 {
        all.push(connect().await.expect("a connection"));
    }
    house.close().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = ours.edge();
    let (other, _) = theirs.vouch("edge");
    let missing = other.with_file_name("missing.pem");
    for (tls, said) in [
        (EdgeTls { cert: missing.clone(), ..good.clone() }, "missing.pem holds no certificate"),
        (EdgeTls { key: missing.clone(), ..good.clone() }, "missing.pem holds no private key"),
        (EdgeTls { key: other.clone(), ..good.clone() }, "edge.pem holds no private key"),
        (EdgeTls { cert: other.clone(), ..good.clone() }, "do not go together"),
        (
            EdgeTls { client_ca: Some(missing), ..good.clone() },
            "missing.pem holds no authority's certificate",
        ),
    ] {
        let error = EdgeConfig { tls: Some(tls), ..config() }.check().expect_err(said).to_string();
        assert!(error.starts_with("edge.tls: ") && error.contains(said), "{error}");
    }
    let own = (other.as_path(), good.key.as_path());
    let error = Tls::read(&ours.ca(), Some(own)).expect_err("not a pair").to_string();
    assert!(error.contains("edge.key do not go together"), "{error}");
}
