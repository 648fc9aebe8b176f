//! Open-loop load: requests arrive as a Poisson process at a given rate, whether or not earlier ones were answered, as
//! those of many independent users do. Latency counts from the moment a request was due, so a server that stalls pays
//! for all who came meanwhile (a closed loop would stop asking, and hide it).
//!
//! Usage: poisson ADDRESS PATH BODY_FILE RATE SECONDS [NAME:VALUE ...]; prints one line of JSON.
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

type Sender = SendRequest<Full<Bytes>>;
type Failure = Box<dyn Error>;

struct Target {
    address: String,
    path: String,
    body: Bytes,
    headers: Vec<(String, String)>,
    idle: RefCell<Vec<Sender>>,
}

impl Target {
    async fn connection(&self) -> Result<Sender, Failure> {
        while let Some(sender) = self.idle.borrow_mut().pop() {
            if !sender.is_closed() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }

    async fn ask(&self) -> Result<(), Failure> {
        let mut sender = self.connection().await?;
        sender.ready().await?;
        let mut request = Request::post(&self.path).header("host", &self.address);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = sender.send_request(request.body(Full::new(self.body.clone()))?).await?;
        let status = response.status();
        response.into_body().collect().await?;
        self.idle.borrow_mut().push(sender);
        if status.is_success() { Ok(()) } else { Err(status.to_string().into()) }
    }
}

/// Exponential waiting times over xorshift64*, the same in every run.
fn waits(rate: f64) -> impl FnMut() -> Duration {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let uniform = (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - uniform).ln() / rate)
    }
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let rate: f64 = args[4].parse()?;
    let length = Duration::from_secs_f64(args[5].parse()?);
    let headers = args[6..].iter().filter_map(|pair| pair.split_once(':'));
    let target = Rc::new(Target {
        address: args[1].clone(),
        path: args[2].clone(),
        body: Bytes::from(std::fs::read(&args[3])?),
        headers: headers.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        idle: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let latencies: Rc<RefCell<Vec<f64>>> = Rc::default();
        let errors: Rc<RefCell<usize>> = Rc::default();
        let mut wait = waits(rate);
        let start = Instant::now();
        let mut due = start;
        let mut tasks = Vec::new();
        while due - start < length {
            tokio::time::sleep_until(due.into()).await;
            let (target, latencies, errors, since) = (target.clone(), latencies.clone(), errors.clone(), due);
            tasks.push(tokio::task::spawn_local(async move {
                match target.ask().await {
                    Ok(()) => latencies.borrow_mut().push(since.elapsed().as_secs_f64() * 1e3),
                    Err(_) => *errors.borrow_mut() += 1,
                }
            }));
            due += wait();
        }
        for task in tasks {
            task.await?;
        }
        let mut all = latencies.borrow_mut();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1))).copied();
        println!(
            "{{\"requests\":{},\"p50Ms\":{:.3},\"p99Ms\":{:.3},\"errors\":{}}}",
            all.len(),
            at(0.5).unwrap_or(f64::NAN),
            at(0.99).unwrap_or(f64::NAN),
            errors.borrow()
        );
        Ok(())
    })
}
