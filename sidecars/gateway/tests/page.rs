//! The web page, as the gateway serves it. What it does is tested in a browser: `ui/e2e`.

mod support;

use std::path::Path;
use support::{Answer, Api, Front};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

async fn get(api: &Api, path: &str, headers: &[(&str, &str)]) -> Answer {
    api.call("GET", path, headers, None).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers[name].to_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_the_page_everywhere_and_programs_get_errors() {
    let front = Front::new().await;
    let api = &front.api;
    for path in ["/", "/trade/ACME", "/verify-email", "/no/such/page"] {
        let page = get(api, path, &[HTML]).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8", "{path}");
        assert!(page.text.contains("Tidegate"), "{path}");
        assert!(header(&page, "content-security-policy").starts_with("default-src 'self'"));
    }
    for (path, headers) in [
        ("/no/such/page", &[][..]),
        ("/api/v1/none", &[HTML]),
        ("/assets/none.js", &[HTML]),
        ("/docs/none", &[HTML]),
    ] {
        let answer = get(api, path, headers).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body["error"]["code"], "not_found", "{path}: {}", answer.text);
    }
    let posted = api.call("POST", "/trade", &[HTML], Some("{}".into())).await;
    assert_eq!(posted.status, 404);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_change_is_kept_and_what_may_is_asked_for_anew() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist");
    let assets = std::fs::read_dir(dist.join("assets")).expect("the page is built: make page");
    let names = assets.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let script = names.into_iter().find(|name| name.ends_with(".js")).expect("a script");
    let front = Front::new().await;
    let asset = get(&front.api, &format!("/assets/{script}"), &[]).await;
    assert_eq!(asset.status, 200);
    assert!(header(&asset, "cache-control").contains("immutable"));
    assert!(header(&asset, "content-type").contains("javascript"));
    let gzip = [("accept-encoding", "gzip")];
    let squeezed = get(&front.api, &format!("/assets/{script}"), &gzip).await;
    assert_eq!(header(&squeezed, "content-encoding"), "gzip");
    let page = get(&front.api, "/", &[HTML]).await;
    assert_eq!(header(&page, "cache-control"), "no-cache");
    let tag = ("if-none-match", header(&page, "etag"));
    let again = get(&front.api, "/", &[HTML, tag]).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    front.close().await;
}
