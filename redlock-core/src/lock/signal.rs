use futures::{
    FutureExt,
    channel::oneshot::{self, Receiver, Sender},
    future::Shared,
};

/// Tells any number of waiters that something has ended, by being dropped. Costs nothing until
/// somebody waits.
#[derive(Debug, Default)]
pub(super) struct Signal(Option<(Sender<()>, Ended)>);

/// Completes when the signal has been given, whatever it says.
pub(super) type Ended = Shared<Receiver<()>>;

impl Signal {
    pub(super) fn subscribe(&mut self) -> Ended {
        let (_, ended) = self.0.get_or_insert_with(|| {
            let (sender, receiver) = oneshot::channel();
            (sender, receiver.shared())
        });
        ended.clone()
    }
}
