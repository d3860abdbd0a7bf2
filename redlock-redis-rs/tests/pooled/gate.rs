//! A relay before a server that can hold up one of its connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

/// Passes everything on, except what clients say on connections that are held up.
pub(crate) struct Gate {
    pub(crate) url: String,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    held: watch::Sender<Option<usize>>,
}

impl Gate {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (held, _) = watch::channel(None);
        let (accepted, watched) = (Arc::new(AtomicUsize::new(0)), held.clone());
        let open = Arc::new(AtomicUsize::new(0));
        let (counted, opened) = (Arc::clone(&accepted), Arc::clone(&open));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (mut from, mut back) = client.into_split();
                let (mut answers, mut to) = server.into_split();
                tokio::spawn(async move { copy(&mut answers, &mut back).await });
                let (said, mut hears) = mpsc::unbounded_channel();
                opened.fetch_add(1, Ordering::SeqCst);
                let closed = Arc::clone(&opened);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut bytes).await {
                        let _ = said.send(bytes[..read].to_vec());
                    }
                    closed.fetch_sub(1, Ordering::SeqCst);
                });
                let mut held = watched.subscribe();
                tokio::spawn(async move {
                    while let Some(bytes) = hears.recv().await {
                        let open = |held: &Option<usize>| held.is_none_or(|held| number >= held);
                        if held.wait_for(open).await.is_err() || to.write_all(&bytes).await.is_err()
                        {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, accepted, open, held }
    }

    /// Holds up what is said on the connections there are; those made later work.
    pub(crate) fn hold(&self) {
        self.held.send_replace(Some(self.connections()));
    }

    /// Lets go what was held up.
    pub(crate) fn open(&self) {
        self.held.send_replace(None);
    }

    /// How many connections have ever been made.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many connections clients have open now.
    pub(crate) fn open_now(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}
