//! Chromium without a window, and what a person does with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::cookies::Cookie;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Where pictures are kept.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/browser");

/// On what somebody looks at the pages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Screen {
    Desktop,
    Phone,
}

/// A browser of one person; ended when dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    /// Where the driver listens, and what it calls the browser.
    port: u16,
    session: String,
}

impl Drop for Browser {
    /// The driver ends the browser if it is told so, and not with itself.
    fn drop(&mut self) {
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port)) {
            let end = format!("DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", self.session);
            drop((driver.write_all(end.as_bytes()), driver.read(&mut [0])));
        }
        drop((self.driver.kill(), self.driver.wait()));
    }
}

impl Browser {
    pub(crate) async fn open(screen: Screen) -> Self {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let mut driver = driver.expect("Chromium is needed: `apt-get install chromium chromium-driver`");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let started =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
        let port: u16 = started.expect("the driver says where it listens").parse().unwrap();
        let mut options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
            "--window-size=1100,900",
        ] });
        if let Screen::Phone = screen {
            options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 360, "height": 740, "pixelRatio": 2.0 } });
        }
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
        let session = client.session_id().await.unwrap().unwrap();
        Self { client, driver, port, session }
    }

    pub(crate) async fn go(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// Clicks, and waits for the page that this leads to.
    pub(crate) async fn click(&self, selector: &str) {
        self.mark().await;
        self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
        self.arrive().await;
    }

    /// Presses Enter where the focus is, and waits for the page that this leads to.
    pub(crate) async fn enter(&self) {
        self.mark().await;
        self.client.active_element().await.unwrap().send_keys("\u{e007}").await.unwrap();
        self.arrive().await;
    }

    /// Marks the page, to know the next one by.
    async fn mark(&self) {
        self.client.execute("window.isLeft = true", Vec::new()).await.unwrap();
    }

    /// Waits until another page is shown, whole.
    async fn arrive(&self) {
        let is_there = "return !window.isLeft && document.readyState === 'complete'";
        // While one page goes and the other comes there is none to ask.
        while !matches!(self.client.execute(is_there, Vec::new()).await, Ok(Value::Bool(true))) {}
    }

    pub(crate) async fn write(&self, selector: &str, text: &str) {
        self.client.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// What stands in an element of the page.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// How many elements of a kind the page has.
    pub(crate) async fn count(&self, selector: &str) -> usize {
        self.client.find_all(Locator::Css(selector)).await.unwrap().len()
    }

    /// The path of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// Runs a script in the page and waits for the promise that it returns.
    pub(crate) async fn promised(&self, script: &str) -> Value {
        let script = format!("const told = arguments[0]; (async () => {{ {script} }})().then(told)");
        self.client.execute_async(&script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn cookies(&self) -> Vec<Cookie<'static>> {
        self.client.get_all_cookies().await.unwrap()
    }

    /// Has these cookies and no others.
    pub(crate) async fn bring(&self, cookies: &[Cookie<'static>]) {
        self.client.delete_all_cookies().await.unwrap();
        for cookie in cookies {
            self.client.add_cookie(cookie.clone()).await.unwrap();
        }
    }

    /// Keeps a picture of the page, and shows that no page is wider than its screen.
    pub(crate) async fn picture(&self, name: &str) {
        let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(self.client.execute(wide, Vec::new()).await.unwrap(), false, "{name} is wider than the screen");
        std::fs::create_dir_all(PICTURES).unwrap();
        let path = Path::new(PICTURES).canonicalize().unwrap().join(format!("{name}.png"));
        std::fs::write(&path, self.client.screenshot().await.unwrap()).unwrap();
        println!("picture: {}", path.display());
    }
}
