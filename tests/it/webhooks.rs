//! Webhooks: somebody else is told, at least once, in order, and can prove by whom.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use longhouse_tests::TestServer;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &[u8; 32] = b"a secret that nobody else knows!";

/// A delivery as it came.
struct Delivery {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Delivery {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn is_signed_with(&self, secret: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.timestamp, self.body).as_bytes());
        let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        self.signature == format!("v1,{expected}")
    }
}

/// Somebody who is told, and answers with one status after another, then with 204.
fn receiver(answers: &'static [u16]) -> (String, Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, deliveries) = channel();
    let answers = Arc::new(Mutex::new(answers.iter()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (sender, answers) = (sender.clone(), Arc::clone(&answers));
            // Clients open connections that they then do not use.
            thread::spawn(move || {
                let Some(delivery) = receive(&mut stream) else { return };
                let status = *answers.lock().unwrap().next().unwrap_or(&204);
                let answer =
                    format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                // Nobody may be there any more to hear of it.
                let _ = sender.send(delivery);
            });
        }
    });
    (url, deliveries)
}

/// What comes, if anything does before the connection ends.
fn receive(stream: &mut BufReader<TcpStream>) -> Option<Delivery> {
    let (mut delivery, mut length, mut line) = (["", "", ""].map(str::to_owned), 0, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name {
            "webhook-id" => delivery[0] = value.to_owned(),
            "webhook-timestamp" => delivery[1] = value.to_owned(),
            "webhook-signature" => delivery[2] = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let [id, timestamp, signature] = delivery;
    Some(Delivery { id, timestamp, signature, body: String::from_utf8(body).unwrap() })
}

fn server(url: &str, types: &str) -> TestServer {
    let secret = BASE64_STANDARD.encode(SECRET);
    let webhook = format!("[webhooks.pager]\nurl = \"{url}\"\nsecret = \"whsec_{secret}\"\ntypes = {types}");
    TestServer::builder().profile("unused", &webhook).start()
}

#[test]
fn a_webhook_gets_what_it_asked_for_signed() {
    let (url, deliveries) = receiver(&[]);
    let server = server(&url, r#"["task.created"]"#);
    let worker = server.worker();
    worker.make(&json!({ "title": "t" }));
    let delivery = deliveries.recv().unwrap();
    let event = delivery.event();
    assert_eq!((&event["type"], &event["task"]), (&json!("task.created"), &json!("t1")), "{event}");
    assert_eq!(delivery.id, event["seq"].to_string(), "the id is the event's number");
    assert!(delivery.is_signed_with(SECRET) && !delivery.is_signed_with(b"another"));
    let told = worker.get("/events?types=task.created").expect(200);
    assert_eq!(told["events"][0], event, "a webhook is told what the API tells");
}

#[test]
fn an_event_that_is_refused_comes_again_before_the_next() {
    let (url, deliveries) = receiver(&[500, 302, 204]);
    let server = server(&url, r#"["task."]"#);
    let worker = server.worker();
    worker.make(&json!({ "title": "one" }));
    worker.make(&json!({ "title": "two" }));
    let ids: Vec<String> = deliveries.iter().take(4).map(|delivery| delivery.id).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
    assert!(ids[3].parse::<u64>().unwrap() > ids[2].parse().unwrap(), "{ids:?}");
}

#[test]
fn what_happens_while_nobody_listens_is_told_after_a_restart() {
    let (url, deliveries) = receiver(&[204, 503]);
    let server = server(&url, r#"["task.created"]"#);
    let worker = server.worker();
    worker.make(&json!({ "title": "one" }));
    let first = deliveries.recv().unwrap();
    worker.make(&json!({ "title": "two" }));
    let refused = deliveries.recv().unwrap();
    let _server = server.restart();
    let second = deliveries.recv().unwrap();
    assert_eq!((&second.id, second.event()["task"].as_str()), (&refused.id, Some("t2")));
    assert_ne!(first.id, second.id, "told again of what was accepted");
}
