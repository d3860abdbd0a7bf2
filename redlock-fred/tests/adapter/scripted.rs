//! A server that says what a test has written down, for what no real one can be brought to say.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Speaks RESP2, lets everybody in, and refuses to let them listen to some channels: the answer to
/// what comes behind such a refusal is this late.
pub(crate) fn refusing(forbidden: &'static str, late: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap(), forbidden, late));
        }
    });
    address
}

/// Until the client hangs up.
fn serve(mut stream: TcpStream, forbidden: &str, late: Duration) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let (mut channels, mut refused) = (HashSet::new(), false);
    while let Some(words) = command(&mut lines) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let answer = match words[..] {
            ["PING"] => "+PONG\r\n".to_owned(),
            ["PING", word] => {
                if refused {
                    thread::sleep(late);
                    refused = false;
                }
                match channels.is_empty() {
                    true => bulk(word),
                    false => format!("*2\r\n{}{}", bulk("pong"), bulk(word)),
                }
            }
            ["SUBSCRIBE", ref names @ ..] if names.iter().any(|name| name.contains(forbidden)) => {
                refused = true;
                "-NOPERM not for you\r\n".to_owned()
            }
            [verb @ ("SUBSCRIBE" | "UNSUBSCRIBE"), ref names @ ..] => {
                let verb = verb.to_lowercase();
                let said = names.iter().map(|name| {
                    match &*verb {
                        "subscribe" => drop(channels.insert((*name).to_owned())),
                        _ => drop(channels.remove(*name)),
                    }
                    format!("*3\r\n{}{}:{}\r\n", bulk(&verb), bulk(name), channels.len())
                });
                said.collect()
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// The words of the next command: an array of texts, each with its length before it.
fn command(lines: &mut impl BufRead) -> Option<Vec<String>> {
    let count = number(lines, '*')?;
    (0..count)
        .map(|_| {
            let length = number(lines, '$')?;
            let mut text = vec![0; length + 2];
            lines.read_exact(&mut text).ok()?;
            text.truncate(length);
            String::from_utf8(text).ok()
        })
        .collect()
}

fn number(lines: &mut impl BufRead, mark: char) -> Option<usize> {
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
