//! From an outbox to its connection: [`run`].

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt, channel::oneshot, future::BoxFuture, stream::FuturesUnordered,
};
use redis::{Pipeline, Value};
use tokio::task::coop::unconstrained;

use crate::{
    connection::Connection,
    error::Cause,
    outbox::{Asked, Letter, Outbox, Pace},
    silence::Silence,
};

/// Sends what comes into an outbox, and keeps its connection working, until that has ended.
///
/// One at a time, most of what a request costs is not the request itself: both sides are woken for
/// it, write to the socket and read from it. So all that is there when the task of the connection
/// gets to run leaves together, as one pipeline. While more than that is under way, the task also
/// lets all others that are ready to run go first, once, since they may want to say something too.
///
/// Answers are passed on in parts, and what those who have got theirs say next leaves before the
/// others get theirs. With all of them at once, this process and its server would take turns: each
/// would have nothing to do while the other has everything.
pub(crate) async fn run(outbox: Arc<Outbox>, mut driver: BoxFuture<'static, ()>) {
    let ((connection, patience), silence) = (outbox.connection(), outbox.silence());
    let outbox = Open(outbox);
    let mut under_way = FuturesUnordered::new();
    let mut letters = Vec::new();
    let mut answers = Answers::default();
    let mut has_stepped_back = false;
    poll_fn(|context| {
        let Some(waiting) = outbox.0.watch(context.waker()) else { return Poll::Ready(()) };
        if waiting > 0 {
            // With answers left to pass on it has done so already.
            if outbox.0.is_busy() && answers.0.is_empty() && !has_stepped_back {
                has_stepped_back = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            has_stepped_back = false;
            outbox.0.take(&mut letters);
            // Who has given up waiting need not be asked for.
            let wanted = letters.drain(..).filter(|letter| !letter.answer.is_canceled());
            for_each_bundle(wanted, |bundle| {
                // Not made to pause: tokio wakes first who was made to last, and an acquire would be
                // overtaken by its release, or by the question who has received it.
                let silence = Arc::clone(&silence);
                let carried = carry(connection.clone(), bundle, patience, silence);
                under_way.push(unconstrained(carried));
            });
            // They are sent when they are first polled, which is in their order.
            finish(&mut under_way, &mut answers, context);
        }
        let life = driver.poll_unpin(context);
        // Also at its end, which has told them why.
        finish(&mut under_way, &mut answers, context);
        if answers.pass_on() {
            context.waker().wake_by_ref();
        }
        life
    })
    .await;
}

/// An outbox that somebody takes care of. Whatever happens to the task, nobody waits for an answer
/// that cannot come.
struct Open(Arc<Outbox>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Answers that have come, in their order. Those that are still here at its end are passed on.
#[derive(Default)]
struct Answers(VecDeque<Answered>);

impl Answers {
    /// Passes on a part of them, and returns whether there are more.
    fn pass_on(&mut self) -> bool {
        let part = self.0.len().div_ceil(2).max(FEWEST).min(self.0.len());
        self.0.drain(..part).for_each(Answered::pass_on);
        !self.0.is_empty()
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Answered::pass_on);
    }
}

/// An answer, and who waits for it.
struct Answered {
    caller: oneshot::Sender<Result<Value, Cause>>,
    answer: Result<Value, Cause>,
    asked: Asked,
}

impl Answered {
    fn pass_on(self) {
        let Self { caller, answer, asked } = self;
        // First, so that what he says next need not be a letter.
        drop(asked);
        // Nobody waits any more if this fails.
        let _ = caller.send(answer);
    }
}

fn finish<F: Future<Output = Vec<Answered>>>(
    under_way: &mut FuturesUnordered<F>,
    answers: &mut Answers,
    context: &mut Context<'_>,
) {
    while let Poll::Ready(Some(answered)) = under_way.poll_next_unpin(context) {
        answers.0.extend(answered);
    }
}

/// What leaves together.
enum Bundle {
    One(Letter),
    Many(Vec<Letter>),
}

/// Splits letters, in their order, into those that leave together: not too many, and what may take
/// long by itself.
fn for_each_bundle(letters: impl Iterator<Item = Letter>, mut send: impl FnMut(Bundle)) {
    let mut letters = letters.peekable();
    while let Some(first) = letters.next() {
        let is_company = |letter: &Letter| first.pace == Pace::Quick && letter.pace == Pace::Quick;
        let Some(second) = letters.next_if(is_company) else {
            send(Bundle::One(first));
            continue;
        };
        let room = letters.size_hint().1.map_or(MOST, |left| MOST.min(left + 2));
        let mut bundle = Vec::with_capacity(room);
        bundle.extend([first, second]);
        while bundle.len() < MOST {
            let Some(next) = letters.next_if(|letter| letter.pace == Pace::Quick) else { break };
            bundle.push(next);
        }
        send(Bundle::Many(bundle));
    }
}

/// Sends what a bundle says, and returns what is answered.
async fn carry(
    mut connection: Connection,
    bundle: Bundle,
    patience: Duration,
    silence: Arc<Silence>,
) -> Vec<Answered> {
    let letters = match bundle {
        Bundle::One(Letter { command, answer: caller, asked, .. }) => {
            let answer = connection.send_within(&command, patience).await;
            if !matches!(answer, Err(Cause::Late(_))) {
                silence.broken();
            }
            return vec![Answered { caller, answer, asked }];
        }
        Bundle::Many(letters) => letters,
    };
    let mut pipeline = Pipeline::with_capacity(letters.len());
    let mut callers = Vec::with_capacity(letters.len());
    for Letter { command, answer, asked, .. } in letters {
        pipeline.add_command(command);
        callers.push((answer, asked));
    }
    let failed = match connection.send_all_within(&pipeline, patience).await {
        Ok(values) => {
            silence.broken();
            let told = callers.into_iter().zip(values);
            return told
                .map(|((caller, asked), value)| Answered {
                    caller,
                    answer: value.extract_error().map_err(Cause::Redis),
                    asked,
                })
                .collect();
        }
        Err(Cause::Redis(error)) => Some(error),
        Err(_) => None,
    };
    let answer = || failed.clone().map_or(Cause::Late(patience), Cause::Redis);
    let told = callers.into_iter();
    told.map(|(caller, asked)| Answered { caller, answer: Err(answer()), asked }).collect()
}

/// So many commands leave together: their answers are passed on when the last of them is there.
const MOST: usize = 128;

/// So many answers at least are passed on at once: what a part saves by leaving early, smaller ones
/// lose by being more.
const FEWEST: usize = 32;

#[cfg(test)]
mod tests;
