//! HTTP proxies: `CONNECT` opens a tunnel to the server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::ConnectDeadline;
use crate::http::failure;
use crate::http::head;
use crate::http::path::port;

/// The largest head of a proxy's response that is read.
const LARGEST_HEAD: usize = 16 * 1024;

/// Has a proxy connect to the host of `target`.
///
/// Any 2xx opens the tunnel (RFC 9110, section 9.3.6). All of it is done within `deadline`, however
/// the bytes arrive.
pub(super) fn open(
    mut transport: Box<dyn Transport>,
    proxy: &ureq::Proxy,
    target: &Uri,
    deadline: ConnectDeadline,
) -> Result<Tunnel, ureq::Error> {
    let host = target.host().unwrap_or_default();
    let https = target.scheme_str() == Some("https");
    let port = port(target.port_u16(), https);
    let mut request = format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Connection: Keep-Alive\r\n"
    );
    if proxy.username().is_some() || proxy.password().is_some() {
        let user = proxy.username().unwrap_or_default();
        let password = proxy.password().unwrap_or_default();
        let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    request.push_str("\r\n");
    write(&mut *transport, request.as_bytes(), deadline)?;
    loop {
        let head = read_head(&mut *transport, deadline)?;
        let Some((status, reason)) = head::status_line(&head) else {
            return Err(failure::proxy_malformed(&head));
        };
        match status {
            200..=299 => return Ok(Tunnel(transport)),
            // Interim responses come before the one that counts.
            100..=199 if status != 101 => {}
            _ => return Err(failure::proxy_refused(status, &reason, https)),
        }
    }
}

fn write(
    transport: &mut dyn Transport,
    mut bytes: &[u8],
    deadline: ConnectDeadline,
) -> Result<(), ureq::Error> {
    while !bytes.is_empty() {
        let output = transport.buffers().output();
        let amount = bytes.len().min(output.len());
        output[..amount].copy_from_slice(&bytes[..amount]);
        transport.transmit_output(amount, deadline.next()?)?;
        bytes = &bytes[amount..];
    }
    Ok(())
}

/// Reads one head; what follows it belongs to the server.
fn read_head(
    transport: &mut dyn Transport,
    deadline: ConnectDeadline,
) -> Result<Vec<u8>, ureq::Error> {
    loop {
        let input = transport.buffers().input();
        if let Some(length) = head::length(input) {
            let head = input[..length].to_vec();
            transport.buffers().input_consume(length);
            return Ok(head);
        }
        if !head::may_be_http(input) {
            return Err(failure::proxy_malformed(input));
        }
        if input.len() >= LARGEST_HEAD {
            return Err(failure::proxy_head_too_large(LARGEST_HEAD));
        }
        if !transport.await_input(deadline.next()?)? {
            return Err(failure::proxy_closed());
        }
    }
}

/// A connection to the server by way of a proxy.
///
/// It may be encrypted to the proxy; to the server it is not yet.
#[derive(Debug)]
pub(super) struct Tunnel(Box<dyn Transport>);

impl Transport for Tunnel {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }
}
