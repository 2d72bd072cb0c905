//! A headless Chromium with one page open, driven by the DevTools protocol as a person would use it: open, look, press keys.
//!
//! It speaks over two pipes (`--remote-debugging-pipe`), so there is no port that somebody else could take. What the page complains of and
//! whom it asks is collected from the beginning.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;

use crate::needs::{demand, find};
use crate::process::{Launch, Process};
use crate::redis::directory;
use crate::{Need, eventually};

const DEADLINE: Duration = Duration::from_secs(30);

/// A browser with one page. Dropping it kills it.
#[derive(Debug)]
pub struct Browser {
    _process: Process,
    _dir: TempDir,
    to: pipe::Sender,
    from: BufReader<pipe::Receiver>,
    session: String,
    asked: u64,
    /// Errors on the console, uncaught exceptions, what the policy forbade.
    pub complaints: Vec<String>,
    /// Every address that was asked for.
    pub requests: Vec<String>,
}

impl Browser {
    /// Starts one, with an empty page of this size.
    pub async fn start(width: u32, height: u32) -> Self {
        demand(Need::Chromium);
        let dir = directory("chromium");
        let (input, output) = (dir.path().join("in"), dir.path().join("out"));
        for fifo in [&input, &output] {
            mkfifo(fifo, Mode::S_IRWXU).expect("a pipe");
        }
        let process = Process::spawn(launch(dir.path(), width, height));
        // Opened for both directions, so that neither side waits for the other to open it.
        let mut options = pipe::OpenOptions::new();
        options.read_write(true);
        let to = options.open_sender(&input).expect("a pipe to the browser");
        let from = options.open_receiver(&output).expect("a pipe from the browser");
        let mut browser = Self {
            _process: process,
            _dir: dir,
            to,
            from: BufReader::new(from),
            session: String::new(),
            asked: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = browser
            .ask("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({})).await;
        }
        browser.resize(width, height).await;
        browser
    }

    /// Opens an address.
    pub async fn open(&mut self, url: &str) {
        self.ask("Page.navigate", json!({ "url": url })).await;
    }

    /// Makes the window this size, as a phone's where it is small.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Has the system ask for `light` or `dark`.
    pub async fn prefer(&mut self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", features).await;
    }

    /// What an expression comes to in the page; fails the test when it throws.
    pub async fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", asked).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// The text that is seen of an element; empty while it is not there.
    pub async fn text(&mut self, selector: &str) -> String {
        let selector = Value::from(selector);
        let text = self
            .eval(&format!("document.querySelector({selector})?.innerText ?? ''"))
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&mut self, what: &str, deadline: Duration, expression: &str) {
        eventually(what, deadline, async || {
            let seen = self.eval(expression).await;
            if seen == true {
                Ok(())
            } else {
                Err(seen.to_string())
            }
        })
        .await;
    }

    /// Presses a key: `Tab`, `Enter`.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            other => panic!("no such key here: {other}"),
        };
        let mut down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.ask("Input.dispatchKeyEvent", down).await;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.ask("Input.dispatchKeyEvent", up).await;
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&mut self, file: &Path) {
        let answer = self
            .ask(
                "Page.captureScreenshot",
                json!({ "format": "png", "captureBeyondViewport": true }),
            )
            .await;
        let data = answer["data"].as_str().expect("a picture");
        let bytes = BASE64_STANDARD.decode(data).expect("base64");
        std::fs::write(file, bytes).expect("a place for the picture");
    }

    /// Reads what the browser has told meanwhile.
    pub async fn listen(&mut self) {
        self.eval("0").await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            question["sessionId"] = self.session.clone().into();
        }
        let mut line = question.to_string().into_bytes();
        line.push(0);
        let conversation = async {
            self.to.write_all(&line).await.expect("the browser listens");
            loop {
                let mut bytes = Vec::new();
                self.from
                    .read_until(0, &mut bytes)
                    .await
                    .expect("the browser speaks");
                bytes.pop();
                let said: Value = serde_json::from_slice(&bytes).expect("JSON");
                if said["id"] == self.asked {
                    assert!(said["error"].is_null(), "{method}: {}", said["error"]);
                    return said["result"].clone();
                }
                self.note(&said);
            }
        };
        let answer = tokio::time::timeout(DEADLINE, conversation).await;
        answer.unwrap_or_else(|_| panic!("the browser did not answer {method}"))
    }
}

impl Browser {
    fn note(&mut self, said: &Value) {
        let params = &said["params"];
        match said["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.complaints.push(params["args"].to_string());
            }
            "Runtime.exceptionThrown" => self.complaints.push(params["exceptionDetails"].to_string()),
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            _ => {}
        }
    }
}

fn launch(dir: &Path, width: u32, height: u32) -> Launch {
    let browser = find("chromium").expect("chromium");
    let mut args: Vec<OsString> = ["-c", r#"exec "$@" 3<in 4>out"#, "sh"].map(Into::into).into();
    args.push(browser.into());
    let profile = dir.join("profile");
    args.extend(
        [
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ]
        .map(Into::into),
    );
    // Its sandbox refuses root, as whom tests may run; it opens no page but ours.
    args.push("--no-sandbox".into());
    args.push(format!("--window-size={width},{height}").into());
    args.push(format!("--user-data-dir={}", profile.display()).into());
    Launch {
        name: "chromium".to_owned(),
        program: find("sh").expect("sh"),
        args,
        env: vec![
            ("HOME".to_owned(), dir.display().to_string()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ],
        dir: dir.to_owned(),
        log: dir.join("log"),
    }
}
