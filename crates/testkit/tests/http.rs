//! What an HTTP server says arrives to the byte, and one that says nothing is not waited for.

use testkit::http;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use topology::Addr;

#[tokio::test]
async fn get_returns_status_headers_and_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = Addr::from(listener.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\r\n{\"reason\":\"x\"}";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    };
    let (request, response) = tokio::join!(serve, http::get(&addr, "/ready"));
    let response = response.unwrap();
    assert!(request.starts_with("GET /ready HTTP/1.1\r\n"), "{request}");
    assert_eq!(
        (response.status, response.header("content-type")),
        (503, Some("application/json"))
    );
    assert_eq!(response.json()["reason"], "x");
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let addr = Addr::new("127.0.0.1", testkit::ports::free()).unwrap();
    let error = http::get(&addr, "/").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}
