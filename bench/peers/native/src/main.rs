//! The yardstick: what a good engineer writes by hand for one model, in the language with the least in its way. HTTP by
//! hyper on one thread, JSON by serde_json into typed structures, N threads with an ONNX Runtime session each, which
//! take whatever has queued (up to MAX_BATCH rows) as one call. It validates what it must and has no versions, limits,
//! deadlines, metrics or reloads: everything above it is the price of being a server.
//!
//! Usage: ORT_DYLIB_PATH=libonnxruntime.so native MODEL WORKERS MAX_BATCH PORT
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor, TensorElementType, ValueType};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Condvar, Mutex};
use tokio::sync::oneshot;

type Failure = Box<dyn Error>;

const HEADER_LENGTH: &str = "inference-header-content-length";

enum Rows {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

struct Job {
    rows: usize,
    /// Elements of one row.
    data: Rows,
    shape: Vec<i64>,
    answer: oneshot::Sender<Result<Answer, String>>,
}

struct Answer {
    shape: Vec<i64>,
    data: Vec<f32>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    arrived: Condvar,
}

/// What the one input and the one output are called, and whether rows can be stacked.
struct Model {
    input: String,
    output: String,
    integer: bool,
    stackable: bool,
}

fn open(environment: &Environment, path: &str) -> Result<(Session, Model), Failure> {
    let session = Session::builder(environment)?.with_intra_threads(1)?.with_inter_threads(1)?.commit_from_file(path)?;
    let input = &session.inputs()[0];
    let ValueType::Tensor { ty, shape, .. } = input.dtype() else { return Err("not a tensor".into()) };
    let model = Model {
        input: input.name().to_string(),
        output: session.outputs()[0].name().to_string(),
        integer: *ty == TensorElementType::Int64,
        stackable: shape.first().is_some_and(|&dim| dim < 0),
    };
    Ok((session, model))
}

fn work(queue: &Queue, session: &mut Session, model: &Model, max_batch: usize) {
    let mut batch: Vec<Job> = Vec::new();
    loop {
        {
            let mut jobs = queue.jobs.lock().unwrap();
            while jobs.is_empty() {
                jobs = queue.arrived.wait(jobs).unwrap();
            }
            let mut rows = 0;
            while let Some(next) = jobs.front() {
                let fits = batch.first().is_none_or(|first| {
                    model.stackable && rows + next.rows <= max_batch && first.shape[1..] == next.shape[1..]
                });
                if !fits {
                    break;
                }
                rows += next.rows;
                batch.push(jobs.pop_front().unwrap());
            }
            if !jobs.is_empty() {
                queue.arrived.notify_one();
            }
        }
        match execute(session, model, &mut batch) {
            Ok((shape, data)) => {
                let total: usize = batch.iter().map(|job| job.rows).sum();
                let width = data.len() / total.max(1);
                let mut at = 0;
                for job in batch.drain(..) {
                    let mut own = shape.clone();
                    own[0] = job.rows as i64;
                    let part = data[at..at + job.rows * width].to_vec();
                    at += job.rows * width;
                    let _ = job.answer.send(Ok(Answer { shape: own, data: part }));
                }
            }
            Err(error) => {
                for job in batch.drain(..) {
                    let _ = job.answer.send(Err(error.to_string()));
                }
            }
        }
    }
}

fn execute(session: &mut Session, model: &Model, batch: &mut [Job]) -> Result<(Vec<i64>, Vec<f32>), Failure> {
    let mut shape = batch[0].shape.clone();
    shape[0] = batch.iter().map(|job| job.rows as i64).sum();
    let value: SessionInputValue = match &batch[0].data {
        Rows::Floats(_) => {
            let mut all: Vec<f32> = Vec::with_capacity(shape.iter().product::<i64>() as usize);
            for job in batch.iter() {
                if let Rows::Floats(data) = &job.data {
                    all.extend_from_slice(data);
                }
            }
            Tensor::from_array((shape, all))?.into()
        }
        Rows::Ints(_) => {
            let mut all: Vec<i64> = Vec::with_capacity(shape.iter().product::<i64>() as usize);
            for job in batch.iter() {
                if let Rows::Ints(data) = &job.data {
                    all.extend_from_slice(data);
                }
            }
            Tensor::from_array((shape, all))?.into()
        }
    };
    let outputs = session.run(vec![(model.input.as_str(), value)])?;
    let (shape, data) = outputs[model.output.as_str()].try_extract_tensor::<f32>()?;
    Ok((shape.to_vec(), data.to_vec()))
}

#[derive(Deserialize)]
struct InferRequest<T> {
    inputs: Vec<InferInput<T>>,
}

#[derive(Deserialize)]
struct InferInput<T> {
    shape: Vec<i64>,
    #[serde(default = "Vec::new")]
    data: Vec<T>,
}

fn elements(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1usize, |all, &dim| all.checked_mul(usize::try_from(dim).ok()?))
}

fn decode(model: &Model, body: &Bytes, header: Option<usize>) -> Result<(Vec<i64>, Rows), Failure> {
    let json = body.get(..header.unwrap_or(body.len())).ok_or("the header is longer than the body")?;
    let (shape, data) = if model.integer {
        let mut request: InferRequest<i64> = serde_json::from_slice(json)?;
        let input = request.inputs.pop().ok_or("no input")?;
        (input.shape, Rows::Ints(input.data))
    } else {
        let mut request: InferRequest<f32> = serde_json::from_slice(json)?;
        let input = request.inputs.pop().ok_or("no input")?;
        (input.shape, Rows::Floats(input.data))
    };
    let data = match (data, header) {
        (Rows::Floats(_), Some(at)) => {
            Rows::Floats(body[at..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
        }
        (Rows::Ints(_), Some(at)) => {
            Rows::Ints(body[at..].chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect())
        }
        (data, None) => data,
    };
    let count = match &data {
        Rows::Floats(data) => data.len(),
        Rows::Ints(data) => data.len(),
    };
    if shape.is_empty() || elements(&shape) != Some(count) {
        return Err("the data does not fill the shape".into());
    }
    Ok((shape, data))
}

fn encode(model: &Model, answer: &Answer, binary: bool) -> (Vec<u8>, Option<usize>) {
    let mut out = Vec::with_capacity(128 + answer.data.len() * if binary { 4 } else { 12 });
    let shape: Vec<String> = answer.shape.iter().map(i64::to_string).collect();
    out.extend_from_slice(b"{\"model_name\":\"m\",\"outputs\":[{\"name\":\"");
    out.extend_from_slice(model.output.as_bytes());
    out.extend_from_slice(b"\",\"datatype\":\"FP32\",\"shape\":[");
    out.extend_from_slice(shape.join(",").as_bytes());
    if binary {
        out.extend_from_slice(format!("],\"parameters\":{{\"binary_data_size\":{}}}}}]}}", answer.data.len() * 4).as_bytes());
        let length = out.len();
        for value in &answer.data {
            out.extend_from_slice(&value.to_le_bytes());
        }
        return (out, Some(length));
    }
    out.extend_from_slice(b"],\"data\":[");
    let mut buffer = ryu::Buffer::new();
    for (i, value) in answer.data.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(buffer.format(*value).as_bytes());
    }
    out.extend_from_slice(b"]}]}");
    (out, None)
}

async fn infer(request: Request<Incoming>, model: &Model, queue: &Queue) -> Result<Response<Full<Bytes>>, Failure> {
    let header = match request.headers().get(HEADER_LENGTH) {
        Some(value) => Some(value.to_str()?.parse::<usize>()?),
        None => None,
    };
    let body = request.into_body().collect().await?.to_bytes();
    let (shape, data) = decode(model, &body, header)?;
    let (answer, answered) = oneshot::channel();
    let rows = shape[0] as usize;
    queue.jobs.lock().unwrap().push_back(Job { rows, data, shape, answer });
    queue.arrived.notify_one();
    let (bytes, length) = encode(model, &answered.await??, header.is_some());
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    let headers = response.headers_mut();
    if let Some(length) = length {
        headers.insert(HEADER_LENGTH, HeaderValue::from(length));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(response)
}

async fn answer(request: Request<Incoming>, model: Arc<Model>, queue: Arc<Queue>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST || request.uri().path() != "/v2/models/m/infer" {
        let mut response = Response::new(Full::new(Bytes::from_static(b"{\"error\":\"not found\"}")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    match infer(request, &model, &queue).await {
        Ok(response) => Ok(response),
        Err(error) => {
            let text = serde_json::json!({ "error": error.to_string() }).to_string();
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let (path, workers, max_batch) = (&args[1], args[2].parse::<usize>()?, args[3].parse::<usize>()?);
    let port: u16 = args[4].parse()?;
    let environment = ort::init().with_telemetry(false).build()?;
    let queue = Arc::new(Queue::default());
    let mut model = None;
    for _ in 0..workers {
        let (mut session, about) = open(&environment, path)?;
        let about = Arc::new(about);
        model = Some(about.clone());
        let queue = queue.clone();
        std::thread::spawn(move || work(&queue, &mut session, &about, max_batch));
    }
    let model = model.ok_or("at least one worker")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (model, queue) = (model.clone(), queue.clone());
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request| answer(request, model.clone(), queue.clone()));
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
