//! Deliberate bugs, so that each proof can be seen to fail.
//!
//! A check that was never seen to fail proves nothing. Each [`Mutant`] is a bug that the rules
//! exist to prevent, most of them found in the field in other clients, at its place in the code
//! behind a switch. Without the feature `mutants` the switch is the constant `false` and nothing
//! of this is compiled in; with it, all are off until a test switches one on.

/// A deliberate bug that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "mutants"),
    allow(dead_code, unreachable_pub, reason = "exported with the feature")
)]
pub enum Mutant {
    /// Validity counts from the first answer instead of from before the first request.
    ValidityFromFirstReply = 1,
    /// A quorum of grants is a lock, however late it is complete.
    LateGrant,
    /// Nothing is taken from the ttl for drift.
    DriftIgnored,
    /// Half of the nodes make a quorum.
    HalfIsQuorum,
    /// An attempt that is given up undoes only what was granted, not what may have been.
    OnlyGrantedReleased,
    /// A failed release is not asked for again.
    UndoneOnce,
    /// A failed extension releases everywhere, and the lock stays valid.
    FailedExtensionReleases,
    /// An extension counts although its quorum was complete only after the old end.
    LateExtension,
    /// An extension to an earlier end moves the end of validity there.
    ExtensionShortens,
    /// A blocking minority that does not have the key is taken for mere failures.
    DefiniteNoIgnored,
    /// The lock stays valid while its nodes are being released.
    ValidWhileReleasing,
    /// A late yes for a lock that has ended is noted, and its key left behind.
    StragglerKept,
    /// A late yes makes a lock that has ended valid again.
    LateYesRevives,
    /// The holder trusts the grace as well.
    GraceTrusted,
    /// A lock can be extended for ever.
    MaxHoldIgnored,
    /// A node that says that the key is gone counts as extended.
    AbsentCounted,
    /// A call that sets the key again is forgotten as soon as it is sent.
    HealingForgotten,
    /// Nobody looks at the clock to declare a lock lost.
    LossUntold,
    /// A lock is extended whether it has ended or not.
    ExtendedAfterEnd,
    /// A loss is told some time after the end of validity. Lives in the driver.
    LossToldLate,
    /// Who waits for a loss is left to his timer, whatever nodes have said. Lives in the driver.
    SignalWithheld,
    /// The keys of a lost lock are deleted at once, whatever the grace. Lives in the driver.
    GraceCutShort,
    /// A lock is renewed once and never again. Lives in the driver.
    RenewedOnce,
    /// A lock goes on being renewed when its guard has gone. Lives in the driver.
    RenewedUnguarded,
    /// A timer of an earlier end tells the loss of a lock that has been extended since. Lives in the
    /// driver.
    LossToldEarly,
    /// Who hands a lock on is told that it is lost. Lives in the driver.
    HandoverToldAsLoss,
    /// A lock is released at once, whatever its shortest hold. Lives in the driver.
    LeastHoldIgnored,
    /// A renewal takes the place of an extension that its holder has begun. Lives in the
    /// driver.
    RenewalIntrudes,
    /// Nobody looks at the clock but when a timer is due. Lives in the driver.
    TimersTrusted,
    /// Who hears of releases sets no timer, although notices can be lost.
    NoTimer,
    /// Who has missed notices does not look at the lock.
    MissedIgnored,
    /// A waiter makes his deciding attempt before he listens. Lives in the driver.
    ListensTooLate,
    /// The clean-up of an attempt that failed tells those who wait. Lives in the driver.
    CleanUpTells,
    /// A lock that was handed on quietly and then not taken is never told of. Lives in the driver.
    HandoverForgotten,
    /// Who takes a lock that was handed on quietly goes on owing word of it. Lives in the driver.
    OwedForEver,
    /// Somebody who leaves the queue in the moment in which it is his turn takes it with him. Lives in
    /// the driver.
    TurnKept,
    /// Word of the release that comes during an attempt is forgotten with it. Lives in the driver.
    LateWordForgotten,
    /// The largest of a quorum's counts is the fence, without a second round.
    LargestIsFence,
    /// A node that was asked to raise its count confirms the fence whatever its count is then.
    RaiseIfMine,
    /// A node raises its count for whoever asks. Lives in the node.
    RaiseUnchecked,
    /// A node loses its count. Lives in the node.
    CounterLost,
    /// All attempts of a client have the same token. Lives in whoever makes tokens.
    TokenReused,
    /// A cancelled attempt undoes nothing. Lives in the driver.
    CancelledKept,
    /// A dropped guard releases nothing. Lives in the driver.
    DroppedKept,
    /// The nodes of a failed attempt are released before their calls have returned. Lives in the
    /// driver.
    ReleaseOvertakes,
    /// A node deletes the key of whoever has it. Lives in the node.
    UnconditionalDelete,
    /// A node that is asked to extend to an earlier end forgets earlier. Lives in the node.
    KeyShortened,
}

#[cfg(feature = "mutants")]
impl Mutant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ValidityFromFirstReply,
        Self::LateGrant,
        Self::DriftIgnored,
        Self::HalfIsQuorum,
        Self::OnlyGrantedReleased,
        Self::UndoneOnce,
        Self::FailedExtensionReleases,
        Self::LateExtension,
        Self::ExtensionShortens,
        Self::DefiniteNoIgnored,
        Self::ValidWhileReleasing,
        Self::StragglerKept,
        Self::LateYesRevives,
        Self::GraceTrusted,
        Self::MaxHoldIgnored,
        Self::AbsentCounted,
        Self::HealingForgotten,
        Self::LossUntold,
        Self::ExtendedAfterEnd,
        Self::LossToldLate,
        Self::SignalWithheld,
        Self::GraceCutShort,
        Self::RenewedOnce,
        Self::RenewedUnguarded,
        Self::LossToldEarly,
        Self::HandoverToldAsLoss,
        Self::LeastHoldIgnored,
        Self::RenewalIntrudes,
        Self::TimersTrusted,
        Self::NoTimer,
        Self::MissedIgnored,
        Self::ListensTooLate,
        Self::CleanUpTells,
        Self::HandoverForgotten,
        Self::TurnKept,
        Self::LateWordForgotten,
        Self::OwedForEver,
        Self::TokenReused,
        Self::CancelledKept,
        Self::DroppedKept,
        Self::ReleaseOvertakes,
        Self::UnconditionalDelete,
        Self::KeyShortened,
        Self::RaiseUnchecked,
        Self::CounterLost,
    ];

    /// Those that no model of the rules can show: they live in the driver, or in the wait, which is
    /// no matter of safety.
    pub const DRIVER: &[Self] = &[
        Self::LossToldLate,
        Self::SignalWithheld,
        Self::GraceCutShort,
        Self::RenewedOnce,
        Self::RenewedUnguarded,
        Self::LossToldEarly,
        Self::HandoverToldAsLoss,
        Self::LeastHoldIgnored,
        Self::RenewalIntrudes,
        Self::TimersTrusted,
        Self::NoTimer,
        Self::MissedIgnored,
        Self::ListensTooLate,
        Self::CleanUpTells,
        Self::HandoverForgotten,
        Self::TurnKept,
        Self::LateWordForgotten,
        Self::OwedForEver,
        Self::CancelledKept,
        Self::DroppedKept,
        Self::ReleaseOvertakes,
    ];

    /// Those that no code of this crate has: they live in the nodes of whoever models them.
    pub const NODE: &[Self] =
        &[Self::UnconditionalDelete, Self::KeyShortened, Self::RaiseUnchecked, Self::CounterLost];

    /// Switches this bug on and all others off, or all off, for the whole process.
    pub fn switch_on(mutant: Option<Self>) {
        let number = mutant.map_or(0, |mutant| mutant as u8);
        ON.store(number, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Whether this bug is switched on.
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    ON.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// Whether this bug is switched on: never, without the feature.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}

/// Zero, or the number of the bug that is on. Global, because a model checker walks
/// on several threads.
#[cfg(feature = "mutants")]
static ON: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
