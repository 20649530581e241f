//! Backups in a store of objects: the binary against a small S3 on the loopback, which checks that requests are signed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::backup::{done, fill, nam, sentence, told};
use crate::scratch::Scratch;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What becomes of the next object that is to be put only if there is none of its name.
#[derive(Clone, Copy, Default)]
enum Creation {
    #[default]
    Usual,
    /// It is put, and the answer is lost.
    Unanswered,
    /// Another is put just before.
    Overtaken,
    /// The store knows no such condition.
    Unknown,
}

/// What the store holds: objects by `bucket/key`, and the parts of uploads that were not completed.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    uploads_begun: usize,
    unsigned: usize,
    /// Answers 403 to everything that would write an object of this name.
    refused: Option<&'static str>,
    creation: Creation,
}

impl Held {
    /// Puts an object if there is none.
    fn create(&mut self, path: &str, body: Bytes) -> StatusCode {
        let creation = std::mem::take(&mut self.creation);
        match creation {
            Creation::Unknown => return StatusCode::BAD_REQUEST,
            Creation::Overtaken => drop(self.objects.insert(path.to_owned(), Bytes::from_static(b"of another"))),
            Creation::Usual | Creation::Unanswered => {}
        }
        if self.objects.contains_key(path) {
            return StatusCode::PRECONDITION_FAILED;
        }
        self.objects.insert(path.to_owned(), body);
        if matches!(creation, Creation::Unanswered) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }
}

#[derive(Clone)]
struct Store {
    held: Arc<Mutex<Held>>,
    /// Counts objects and parts that were taken.
    writes: Arc<watch::Sender<usize>>,
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert("etag", "\"e\"".parse().unwrap());
    answer.headers_mut().insert("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT".parse().unwrap());
    answer
}

fn unescaped(text: &str) -> String {
    text.replace("%2F", "/")
}

impl Store {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let store = Self { held: Arc::default(), writes: Arc::new(watch::channel(0).0) };
        let own = store.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let own = own.clone();
                let service = service_fn(move |request| own.clone().serve(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (store, address)
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(answer(StatusCode::BAD_REQUEST, "")) };
        let path = unescaped(head.uri.path().trim_start_matches('/'));
        let pairs = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query: BTreeMap<String, String> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(k, v)| (k.into(), unescaped(v)))
            .collect();
        let text = |name| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let signature = text("authorization");
        let is_signed = signature.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
            && signature.contains("/eu-test-1/s3/aws4_request")
            && signature.split("Signature=").nth(1).is_some_and(|hex| hex.len() == 64)
            && !text("x-amz-date").is_empty();
        if !is_signed {
            self.held.lock().unwrap().unsigned += 1;
            return Ok(answer(StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>"));
        }
        let body = body.to_bytes();
        if !text("if-none-match").is_empty() {
            return Ok(answer(self.held.lock().unwrap().create(&path, body), ""));
        }
        Ok(self.answer(&head.method, &path, &query, &text("range"), body))
    }

    fn answer(
        &self,
        method: &Method,
        path: &str,
        query: &BTreeMap<String, String>,
        range: &str,
        body: Bytes,
    ) -> Response<Full<Bytes>> {
        let mut held = self.held.lock().unwrap();
        if *method != Method::GET && held.refused.is_some_and(|name| path.ends_with(name)) {
            return answer(StatusCode::FORBIDDEN, "<Error>\n<Code>AccessDenied</Code>\n</Error>");
        }
        let upload = query.get("uploadId");
        match (method.as_str(), upload) {
            ("GET", _) if query.contains_key("list-type") => answer(StatusCode::OK, list(&held, path, query)),
            ("GET", _) => match held.objects.get(path) {
                Some(object) => ranged(object, range),
                None => answer(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"),
            },
            ("POST", None) if query.contains_key("uploads") => {
                held.uploads_begun += 1;
                let id = format!("upload{}", held.uploads_begun);
                held.uploads.insert(id.clone(), BTreeMap::new());
                answer(
                    StatusCode::OK,
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
                )
            }
            ("PUT", Some(id)) => {
                held.uploads.get_mut(id).unwrap().insert(query["partNumber"].parse().unwrap(), body);
                self.writes.send_modify(|writes| *writes += 1);
                answer(StatusCode::OK, "")
            }
            ("POST", Some(id)) => {
                let parts = held.uploads.remove(id).unwrap();
                held.objects.insert(path.to_owned(), parts.into_values().flatten().collect());
                answer(StatusCode::OK, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
            }
            ("DELETE", Some(id)) => {
                held.uploads.remove(id);
                answer(StatusCode::NO_CONTENT, "")
            }
            ("PUT", None) => {
                held.objects.insert(path.to_owned(), body);
                self.writes.send_modify(|writes| *writes += 1);
                answer(StatusCode::OK, "")
            }
            ("DELETE", None) => {
                held.objects.remove(path);
                answer(StatusCode::NO_CONTENT, "")
            }
            other => panic!("the store knows no {other:?} of {path}"),
        }
    }
}

fn ranged(object: &Bytes, range: &str) -> Response<Full<Bytes>> {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return answer(StatusCode::OK, object.clone());
    };
    let from: usize = from.parse().unwrap();
    let end = to.parse::<usize>().map_or(object.len(), |to| object.len().min(to + 1));
    let mut answer = answer(StatusCode::PARTIAL_CONTENT, object.slice(from..end));
    let content = format!("bytes {from}-{}/{}", end - 1, object.len());
    answer.headers_mut().insert("content-range", content.parse().unwrap());
    answer
}

/// Two names a page, so that there are pages.
fn list(held: &Held, bucket: &str, query: &BTreeMap<String, String>) -> String {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let of_bucket = format!("{}/", bucket.trim_end_matches('/'));
    let keys = held.objects.iter().filter_map(|(path, object)| Some((path.strip_prefix(&of_bucket)?, object.len())));
    let after = query.get("continuation-token").map_or("", String::as_str);
    let mut names: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (key, bytes) in keys.filter(|(key, _)| key.starts_with(prefix)) {
        match key[prefix.len()..].split_once('/') {
            Some((below, _)) => names.insert(format!("{prefix}{below}/"), None),
            None => names.insert(key.to_owned(), Some(bytes)),
        };
    }
    let rest: Vec<_> = names.into_iter().filter(|(name, _)| name.as_str() > after).collect();
    let mut xml = format!("<ListBucketResult><IsTruncated>{}</IsTruncated>", rest.len() > 2);
    for (name, bytes) in rest.iter().take(2) {
        xml += &match bytes {
            Some(bytes) => format!(
                "<Contents><Key>{name}</Key><Size>{bytes}</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
                 <ETag>e</ETag></Contents>"
            ),
            None => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
        };
    }
    if let Some((last, _)) = rest.get(1).filter(|_| rest.len() > 2) {
        xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml + "</ListBucketResult>"
}

/// A command with the credentials in its environment and the loopback as its S3.
fn s3(address: SocketAddr, arguments: &[&str], paths: &[&Path]) -> Command {
    let mut command = nam(arguments, paths);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.arg("--s3-endpoint").arg(format!("http://{address}"));
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", "eu-test-1");
    command.env("NAM_LOG", "debug");
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Nothing that a command prints, its log included, shows the secret.
fn kept(output: Output) -> Output {
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&printed).contains("EXAMPLEKEY"), "the secret is printed");
    output
}

fn last_line(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_to_a_bucket_and_comes_back() {
    let scratch = Scratch::new("bucket-whole");
    let [data, restored] = ["data", "restored"].map(|name| scratch.0.join(name));
    fill(&data, 400, 240 * 1024);
    let (store, address) = Store::start().await;
    let place = Path::new("s3://bucket/nightly/monday");
    let copied = kept(run(s3(address, &["backup", "--data"], &[&data, place])).await);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    {
        let held = store.held.lock().unwrap();
        let names: Vec<&str> = held.objects.keys().map(String::as_str).collect();
        let [first, second, manifest] =
            ["chunk-000001", "chunk-000002", "manifest"].map(|n| format!("bucket/nightly/monday/{n}"));
        assert_eq!(names, [&first, &second, &manifest]);
        assert!(held.uploads_begun >= 1 && held.uploads.is_empty(), "long chunks go in parts, and none is left open");
        assert_eq!(held.unsigned, 0);
    }
    assert!(run(s3(address, &["verify", "--backup"], &[place])).await.status.success());
    assert!(
        last_line(&kept(run(s3(address, &["backup", "--data"], &[&data, place])).await))
            .contains("holds a backup already")
    );
    let above = Path::new("s3://bucket/nightly");
    assert!(last_line(&run(s3(address, &["backup", "--data"], &[&data, above])).await).contains("holds monday"));
    assert!(
        last_line(&run(s3(address, &["restore", "--data"], &[&restored, above])).await).contains("no backup of nam")
    );
    let output = kept(run(s3(address, &["restore", "--data"], &[&restored, place])).await);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(done(nam(&["verify", "--data"], &[&restored])).contains("400 frames"));
    // A chunk that is another than was written, or longer.
    let chunk = "bucket/nightly/monday/chunk-000002".to_owned();
    let whole = store.held.lock().unwrap().objects[&chunk].clone();
    let mut flipped = whole.to_vec();
    flipped[1_000] ^= 1;
    for (bytes, word) in [(flipped, "is damaged"), ([&whole[..], b"more"].concat(), "bytes where")] {
        store.held.lock().unwrap().objects.insert(chunk.clone(), bytes.into());
        let told = last_line(&run(s3(address, &["verify", "--backup"], &[place])).await);
        assert!(told.contains(word) && told.contains("s3://bucket/nightly/monday"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_sent_whole_is_no_backup() {
    let scratch = Scratch::new("bucket-part");
    let [data, restored] = ["data", "restored"].map(|name| scratch.0.join(name));
    fill(&data, 400, 240 * 1024);
    let (store, address) = Store::start().await;
    let place = Path::new("s3://bucket/nightly");
    // Killed when the first part is there.
    let mut writes = store.writes.subscribe();
    let mut child = s3(address, &["backup", "--data"], &[&data, place]).spawn().unwrap();
    writes.wait_for(|writes| *writes > 0).await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!store.held.lock().unwrap().objects.contains_key("bucket/nightly/manifest"), "it was killed in time");
    let told = last_line(&run(s3(address, &["restore", "--data"], &[&restored, place])).await);
    assert!(told.contains("not finished") || told.contains("no backup of nam"), "{told}");
    assert!(!restored.exists());
    *store.held.lock().unwrap() = Held { refused: Some("manifest"), ..Held::default() };
    // The store refuses the manifest: what was written is taken away again.
    let told = last_line(&kept(run(s3(address, &["backup", "--data"], &[&data, place])).await));
    assert!(told.contains("s3://bucket/nightly/manifest") && told.contains("AccessDenied"), "{told}");
    assert!(store.held.lock().unwrap().objects.is_empty(), "nothing is left");
    // The store refuses who asks.
    store.held.lock().unwrap().refused = None;
    let mut stranger = s3(address, &["backup", "--data"], &[&data, place]);
    stranger.env("AWS_ACCESS_KEY_ID", "SOMEBODY");
    assert!(last_line(&kept(run(stranger).await)).contains("s3://bucket/nightly"));
    assert!(store.held.lock().unwrap().unsigned > 0);
    assert!(store.held.lock().unwrap().objects.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_backup_has_a_prefix_whatever_its_store_answers() {
    let scratch = Scratch::new("bucket-taken");
    let data = scratch.0.join("data");
    fill(&data, 4, 100);
    let (store, address) = Store::start().await;
    let backup = || run(s3(address, &["backup", "--data"], &[&data, Path::new("s3://bucket/nightly")]));
    for creation in [Creation::Unanswered, Creation::Unknown] {
        *store.held.lock().unwrap() = Held { creation, ..Held::default() };
        let copied = kept(backup().await);
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let held = store.held.lock().unwrap();
        assert_eq!(held.objects.keys().collect::<Vec<_>>(), ["bucket/nightly/chunk-000001", "bucket/nightly/manifest"]);
    }
    *store.held.lock().unwrap() = Held { creation: Creation::Overtaken, ..Held::default() };
    assert!(last_line(&kept(backup().await)).contains("not finished"));
    let held = store.held.lock().unwrap();
    let of_another = held.objects.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect::<Vec<_>>();
    assert_eq!(of_another, [("bucket/nightly/manifest.new", &b"of another"[..])], "it is left to it");
}

#[test]
fn places_that_are_none_are_refused_in_one_sentence() {
    let scratch = Scratch::new("bucket-none");
    let data = scratch.0.join("data");
    fill(&data, 2, 10);
    let refused = |endpoint: &str, place: &str| {
        let mut command = nam(&["backup", "--s3-endpoint", endpoint, "--data"], &[&data, Path::new(place)]);
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        told(command)
    };
    assert!(refused("http://10.0.0.1:9000", "s3://bucket/x").contains("in the clear"));
    assert!(refused("minio:9000", "s3://bucket/x").contains("must be https://host"));
    assert!(refused("https://localhost:9", "s3://").contains("give a bucket"));
    assert!(refused("https://localhost:9", "place").contains("a directory has no S3 endpoint"));
    let mut half = nam(&["backup", "--data"], &[&data, Path::new("s3://bucket/x")]);
    half.env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_ACCESS_KEY_ID", KEY);
    assert!(sentence(half.output().unwrap()).contains("s3://bucket/x"));
    assert!(!fs::exists(scratch.0.join("place")).unwrap());
}
