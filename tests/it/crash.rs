//! The server is killed under load, again and again: what it acknowledged is there, and nothing happens twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Child;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longhouse_tests::{longhouse, serve_without_tools};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};

const CLIENTS: usize = 64;
/// At least so many requests are in flight when the server is killed.
const IN_FLIGHT: u64 = 50;
const ROUNDS: usize = 200;

/// A server without tools, which starts at once.
struct Server {
    process: Child,
    base: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let (process, address) = serve_without_tools(longhouse(), dir);
        Self { process, base: format!("{address}/v1/projects/crash") }
    }

    fn kill(mut self) {
        self.process.kill().expect("the server is alive");
        self.process.wait().expect("the server ends");
    }
}

/// What is asked: method, path, body.
type Asked = (Method, String, Value);

/// What one client was told, and what it is still to be told.
struct Worker {
    name: usize,
    token: String,
    http: Client,
    requests: u64,
    /// Sent and not answered: sent again, under the same key, until it is.
    unanswered: Option<(Asked, u64)>,
    hold: Option<(String, u64)>,
    lock: Option<(String, u64)>,
    /// Messages that it sent.
    sent: BTreeSet<String>,
    /// The last value of its key of the shared state.
    said: u64,
    created: BTreeSet<String>,
    completed: BTreeMap<String, u64>,
    fences: Vec<u64>,
}

/// How requests ended in one round.
#[derive(Default)]
struct Tally {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    in_flight: AtomicU64,
}

impl Worker {
    fn new(name: usize, token: String) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let (created, completed) = (BTreeSet::new(), BTreeMap::new());
        Self {
            name,
            token,
            http,
            requests: 0,
            unanswered: None,
            hold: None,
            lock: None,
            sent: BTreeSet::new(),
            said: 0,
            created,
            completed,
            fences: vec![],
        }
    }

    /// One request and what it teaches; `false` if nobody answers any more.
    fn act(&mut self, base: &str, tally: &Tally) -> bool {
        let (asked, number) = self.unanswered.take().unwrap_or_else(|| {
            self.requests += 1;
            (self.next(), self.requests)
        });
        let (method, path, body) = &asked;
        let request = self.http.request(method.clone(), format!("{base}{path}")).bearer_auth(&self.token);
        let request = request.header("Idempotency-Key", format!("{}-{number}", self.name));
        tally.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = request.json(body).send().and_then(|response| {
            let status = response.status().as_u16();
            let body = if status == 204 { Ok(Value::Null) } else { response.json::<Value>() };
            body.map(|body| (status, body))
        });
        tally.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Ok((200 | 201 | 204, answer)) = answer else {
            if let Ok((status, problem)) = answer {
                assert_eq!(status, 503, "{path}: {problem}");
            }
            tally.unknown.fetch_add(1, Ordering::Relaxed);
            self.unanswered = Some((asked, number));
            return false;
        };
        tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.learn(&asked, &answer);
        true
    }

    /// A task is made for each that is claimed, so that the queue neither grows nor runs dry. Talk goes to a neighbour.
    fn next(&self) -> Asked {
        let post = |path: String, body| (Method::POST, path, body);
        match (&self.hold, self.requests % 8) {
            (Some((task, fence)), _) => post(format!("/tasks/{task}/complete"), json!({ "fence": fence })),
            (None, 1 | 4) => post("/tasks".to_owned(), json!({ "title": "work" })),
            (None, 3) => {
                let to = format!("w{}", (self.name + 1) % CLIENTS);
                post("/messages".to_owned(), json!({ "to": to, "text": format!("from {}", self.name) }))
            }
            (None, 5) => (Method::PUT, format!("/state/w/{}", self.name), json!(self.said + 1)),
            (None, 7) => match &self.lock {
                Some((lock, fence)) => (Method::DELETE, format!("/locks/{lock}?fence={fence}"), json!({})),
                None => post("/locks".to_owned(), json!({ "paths": [format!("w/{}", self.name)] })),
            },
            (None, _) => post("/tasks/claim".to_owned(), json!({})),
        }
    }

    fn learn(&mut self, (method, path, body): &Asked, answer: &Value) {
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        if path == "/tasks" {
            self.created.insert(text(&answer["tasks"][0]["id"]));
        } else if path == "/messages" {
            self.sent.insert(text(&answer["id"]));
        } else if path == "/locks" {
            self.lock = Some((text(&answer["id"]), answer["fence"].as_u64().expect("a fence")));
        } else if method == Method::DELETE {
            self.lock = None;
        } else if method == Method::PUT {
            self.said = body.as_u64().expect("a number");
        } else if path == "/tasks/claim" {
            let Some(grant) = answer["tasks"].get(0) else { return };
            let fence = grant["fence"].as_u64().expect("a fence");
            self.fences.push(fence);
            self.hold = Some((text(&grant["id"]), fence));
        } else {
            assert_eq!(answer["task"]["status"], "completed", "{answer}");
            let (task, fence) = self.hold.take().expect("it completed what it held");
            assert!(self.completed.insert(task, fence).is_none(), "completed twice");
        }
    }
}

#[test]
fn what_was_acknowledged_survives_two_hundred_kills() {
    longhouse::outbound::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("crash");
    std::fs::create_dir(&dir).unwrap();
    let init = longhouse().arg("init").arg(&dir).output().unwrap();
    let admin = String::from_utf8(init.stdout).unwrap().trim().to_owned();
    let mut server = Server::start(&dir);
    let mut workers: Vec<Worker> =
        (0..CLIENTS).map(|name| Worker::new(name, add_worker(&server.base, &admin, name))).collect();

    println!("round  acknowledged  unknown  lost");
    for round in 1..=ROUNDS {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| while worker.act(&server.base, &tally) {});
            }
            // Another moment in each round; never less than every client has asked for once.
            let enough = (CLIENTS * (1 + round % 7)) as u64;
            while tally.acknowledged.load(Ordering::Relaxed) < enough
                || tally.in_flight.load(Ordering::Relaxed) < IN_FLIGHT
            {
                std::thread::yield_now();
            }
            server.process.kill().expect("the server is alive");
            server.process.wait().expect("the server ends");
        });
        let unknown = tally.unknown.load(Ordering::Relaxed);
        assert!(unknown >= IN_FLIGHT, "only {unknown} requests were in flight");
        server = Server::start(&dir);
        let lost = lost(&server.base, &admin, &workers, round == ROUNDS);
        println!(
            "{round:>5}  {:>12}  {unknown:>7}  {:>4}",
            tally.acknowledged.load(Ordering::Relaxed),
            lost.len()
        );
        assert!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
    }
    let mut fences: Vec<u64> = workers.iter().flat_map(|worker| worker.fences.iter().copied()).collect();
    let given = fences.len();
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), given, "a fence was given twice");
    never_twice(&server.base, &admin);
    all_mail_arrived(&server.base, &admin, &workers);
    server.kill();
}

fn add_worker(base: &str, admin: &str, name: usize) -> String {
    let body = json!({ "name": format!("w{name}"), "role": "worker", "profile": "full" });
    let client = Client::new();
    let added = client.post(format!("{base}/admin/agents")).bearer_auth(admin).json(&body).send().unwrap();
    added.json::<Value>().unwrap()["token"].as_str().expect("a token").to_owned()
}

/// What the workers were told and the server does not know. All of it, or what the last hundreds of tasks tell.
fn lost(base: &str, admin: &str, workers: &[Worker], everything: bool) -> Vec<String> {
    const RECENT: u64 = 1_000;
    let number = |id: &str| id.trim_start_matches('t').parse::<u64>().expect("an id");
    let newest = workers.iter().flat_map(|worker| &worker.created).map(|id| number(id)).max().unwrap_or(0);
    let after = if everything { 0 } else { newest.saturating_sub(RECENT) };
    let known = tasks_after(base, admin, after);
    let mut lost = Vec::new();
    for worker in workers {
        let recent = |id: &&String| number(id) > after;
        lost.extend(worker.created.iter().filter(recent).filter(|id| !known.contains_key(*id)).cloned());
        for (id, _) in worker.completed.iter().filter(|(id, _)| recent(id)) {
            if known.get(id).is_none_or(|task| task["status"] != "completed") {
                lost.push(format!("completion of {id}"));
            }
        }
        lost.extend(lost_talk(base, admin, worker));
        if let Some((id, fence)) = worker.hold.as_ref().filter(|(id, _)| recent(&id))
            && worker.unanswered.is_none()
            && known.get(id).is_none_or(|task| task["lease"]["fence"] != *fence)
        {
            lost.push(format!("lease {fence} of {id}"));
        }
    }
    lost
}

/// The messages, the value and the lock that a worker was told of and the server does not know.
fn lost_talk(base: &str, admin: &str, worker: &Worker) -> Vec<String> {
    let mut lost = Vec::new();
    if let Some(last) = worker.sent.iter().max_by_key(|id| id.trim_start_matches('m').parse::<u64>().unwrap())
        && get(base, admin, &format!("/messages/{last}"))["id"] != **last
    {
        lost.push(format!("message {last}"));
    }
    let asked = worker.unanswered.as_ref().map(|((method, path, _), _)| (method, path.as_str()));
    if worker.said > 0 {
        let value = get(base, admin, &format!("/state/w/{}", worker.name))["value"].as_u64();
        let next = matches!(asked, Some((method, _)) if method == Method::PUT).then_some(worker.said + 1);
        if value != Some(worker.said) && (next.is_none() || value != next) {
            lost.push(format!("the value {} of w/{}, which is {value:?}", worker.said, worker.name));
        }
    }
    if let Some((lock, fence)) = &worker.lock
        && !matches!(asked, Some((method, _)) if method == Method::DELETE)
    {
        let found = get(base, admin, &format!("/locks?path=w/{}", worker.name));
        if found["locks"][0]["id"] != **lock || found["locks"][0]["fence"] != *fence {
            lost.push(format!("lock {lock} under {fence}: {found}"));
        }
    }
    lost
}

/// All messages that were ever acknowledged are in the inboxes they were sent to, once.
fn all_mail_arrived(base: &str, admin: &str, workers: &[Worker]) {
    let mut known = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = get(base, admin, &format!("/messages?limit=1000{after}"));
        let messages = page["messages"].as_array().expect("messages");
        for message in messages {
            let id = message["id"].as_str().expect("an id").to_owned();
            assert_eq!(message["to"].as_array().map(Vec::len), Some(1), "{message}");
            assert!(known.insert(id), "listed twice: {message}");
        }
        match page["next"].as_str() {
            Some(next) if !messages.is_empty() => after = format!("&after={next}"),
            Some(_) | None => break,
        }
    }
    let sent: usize = workers.iter().map(|worker| worker.sent.len()).sum();
    assert!(sent > ROUNDS, "hardly anything was said");
    for worker in workers {
        let missing: Vec<&String> = worker.sent.difference(&known).collect();
        assert!(missing.is_empty(), "messages that were acknowledged are gone: {missing:?}");
    }
    let unasked = known.len() - sent;
    assert!(unasked <= CLIENTS, "{unasked} messages came twice");
}

fn tasks_after(base: &str, admin: &str, after: u64) -> BTreeMap<String, Value> {
    let mut tasks = BTreeMap::new();
    let mut next = format!("t{after}");
    loop {
        let page = get(base, admin, &format!("/tasks?limit=1000&after={next}"));
        for task in page["tasks"].as_array().expect("tasks") {
            tasks.insert(task["id"].as_str().expect("an id").to_owned(), task.clone());
        }
        match page["next"].as_str() {
            Some(id) => next = id.to_owned(),
            None => return tasks,
        }
    }
}

/// No task was completed twice, by what the server itself says happened.
fn never_twice(base: &str, admin: &str) {
    let mut completed = BTreeSet::new();
    let mut after = 0;
    loop {
        let page = get(base, admin, &format!("/events?types=task.completed&limit=1000&after={after}"));
        let events = page["events"].as_array().expect("events");
        for event in events {
            assert!(completed.insert(event["task"].to_string()), "completed twice: {event}");
        }
        if events.is_empty() {
            break;
        }
        after = page["next"].as_u64().expect("a cursor");
    }
    assert!(completed.len() > ROUNDS, "hardly anything was done");
}

fn get(base: &str, admin: &str, path: &str) -> Value {
    /// One for all: each new one reads the system's certificates.
    static HTTP: OnceLock<Client> = OnceLock::new();
    let client = HTTP.get_or_init(Client::new);
    client.get(format!("{base}{path}")).bearer_auth(admin).send().unwrap().json().unwrap()
}
