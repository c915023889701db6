//! A response whose body is read later, as it arrives.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::BodyReader;

use super::failure::{self, ConnectionFailure, Phase, TransportError, TransportErrorKind};
use super::trace::ExchangeTrace;
use super::transport::{self, Timeouts};
use super::{Http, Operation, Response, body, error_body};
use crate::error::{CallInfo, ConnectionKind, Error};
use crate::headers::Headers;
use crate::types::Secret;

/// The input buffer of a stream's connection. A quarter less costs a burst 1% of the processor, and
/// a quarter more costs each of a thousand streams 8 KiB.
pub(crate) const STREAM_INPUT: usize = 28 * 1024;

/// How a response is opened, beside its operation.
pub(crate) struct Opening<'a> {
    pub(crate) agent: &'a ureq::Agent,
    /// The call that errors name.
    pub(crate) call: CallInfo,
    /// The credentials within the query. No error shows them.
    pub(crate) credentials: &'a Secret,
    /// The maximum time between two reads of the body.
    pub(crate) idle_timeout: Duration,
}

/// A success whose body is still to be read.
pub(crate) struct StreamingResponse {
    /// Without its body.
    pub(crate) head: Response,
    pub(crate) body: StreamingBody,
}

/// A body that is read as it arrives.
pub(crate) struct StreamingBody {
    reader: BodyReader<'static>,
    call: CallInfo,
    idle_timeout: Duration,
}

impl Http {
    /// Sends an operation once, without the API key, and waits for the head of its response.
    ///
    /// [`Operation::timeout`], else the client's timeout, limits the wait and the body of an error.
    /// Anything but a success is an error.
    pub(crate) fn open(
        &self,
        operation: &Operation,
        opening: Opening<'_>,
    ) -> Result<StreamingResponse, Error> {
        let Opening {
            agent,
            mut call,
            credentials,
            idle_timeout,
        } = opening;
        let timeout = operation.timeout.or(self.timeout);
        let timeouts = Timeouts::Stream {
            head: timeout,
            idle: idle_timeout,
        };
        let opened = match operation.request_without_key(self) {
            Ok(request) => transport::resend_if_dead(
                timeouts,
                |timeouts, force_new| {
                    transport::exchange(agent, request.clone(), None, timeouts, force_new)
                },
                || Some(timeouts),
            ),
            // The server chose the ticket, and the caller's part was checked before.
            Err(error) => Err(TransportError {
                kind: TransportErrorKind::Connection(ConnectionFailure {
                    kind: ConnectionKind::RequestTooLong,
                    what: error.to_string(),
                    source: None,
                }),
                trace: ExchangeTrace::default(),
            }),
        };
        let (head, body) = match opened {
            Ok(response) => response.into_parts(),
            Err(failure) => return Err(failure.into_error(self, call, Phase::Opening { timeout })),
        };
        let reader = body.into_reader();
        let headers = Headers::new(head.headers, credentials.expose());
        call.sent = true;
        call.request_id = headers.request_id().map(str::to_owned);
        let mut head = Response {
            call: call.clone(),
            status: head.status.as_u16(),
            headers,
            body: Vec::new(),
        };
        if !(200..300).contains(&head.status) {
            let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            head.body = body::read_error(reader, until);
            return Err(error_body::api_error(head, credentials.expose()));
        }
        // The errors of reading name no response.
        call.request_id = None;
        let body = StreamingBody {
            reader,
            call,
            idle_timeout,
        };
        Ok(StreamingResponse { head, body })
    }

    /// Makes an agent for one stream: closing its connections stops that stream and no other.
    ///
    /// Its buffers are small, because there may be a thousand streams, and each buffer is zeroed and
    /// so takes memory (`benches/scale.rs`). `line` is the length of the longest line of its
    /// requests, without the ticket and the position: each line has to fit into the buffer.
    pub(crate) fn stream_agent(&self, line: usize) -> ureq::Agent {
        // Servers take no longer request lines.
        const OUTPUT: usize = 8 * 1024;
        self.network.agent(|config| {
            config
                .input_buffer_size(STREAM_INPUT)
                // Headers that fill the buffer are an error of their own, and no lost connection.
                .max_response_header_size(STREAM_INPUT - 1)
                .output_buffer_size(OUTPUT + line)
                .timeout_global(self.timeout)
                .max_idle_connections(1)
        })
    }
}

impl StreamingBody {
    /// Returns the error of the call for a failed read.
    pub(crate) fn into_error(self, http: &Http, error: io::Error) -> Error {
        let idle_timeout = self.idle_timeout;
        failure::of_exchange(ureq::Error::from(error)).into_error(
            http,
            self.call,
            Phase::Reading { idle_timeout },
        )
    }
}

impl Read for StreamingBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}
