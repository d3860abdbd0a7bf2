//! The rules as tests.

use super::{Finding, Rule, Subject, check};

/// Asks the rule of this name; what [`conformance_tests!`](crate::conformance_tests) calls.
///
/// # Panics
///
/// If the rule is broken; if it is not applicable although it is not among `lacking`, or is among
/// them although it could be asked; if a name is not that of a rule.
pub async fn assert_conforms(name: &str, subject: &dyn Subject, lacking: &[&str]) {
    for name in lacking {
        let meant = Rule::ALL.iter().any(|rule| rule.is_meant_by(name));
        assert!(meant, "there is no rule {name}");
    }
    let rule = Rule::named(name).unwrap_or_else(|| panic!("there is no rule {name}"));
    let finding = check(rule, subject).await;
    let listed = lacking.iter().any(|listed| rule.is_meant_by(listed));
    match (finding, listed) {
        (Finding::Holds, false) => {}
        (Finding::NotApplicable(why), true) => println!("{name} is not applicable: {why}"),
        (Finding::Broken(how), _) => panic!("{} But {how}", rule.demand()),
        (Finding::NotApplicable(why), false) => {
            panic!("{name} could not be asked: {why}; if that is right, list it as lacking")
        }
        (Finding::Holds, true) => panic!("{name} is listed as lacking, and holds"),
    }
}

/// Makes one test of each [`Rule`](crate::conformance::Rule), of its name, from an expression that
/// builds a new [`Subject`](crate::conformance::Subject) and may await.
///
/// Rules that the subject cannot be asked are listed after it; any other that turns out not to be
/// applicable fails, and so does a listed one that is. A word stands for all rules of an ability:
/// `notifications` for those of [`Notifications`](redlock_core::Notifications), `fencing` for those
/// of [`Fencing`](redlock_core::Fencing), `survey` for those of [`Survey`](redlock_core::Survey),
/// `sets` for those of [`Sets`](redlock_core::Sets), `accord` for those of
/// [`Accord`](redlock_core::Accord), and `quarantine` for those of nodes that can be in quarantine.
/// The tests are `#[tokio::test]` unless another attribute is given.
///
/// ```
/// # struct Mine;
/// # impl Mine { async fn start() -> Self { Self } }
/// # #[redlock_core::async_trait]
/// # impl redlock_testkit::conformance::Subject for Mine {
/// #     async fn open(&self) -> std::sync::Arc<dyn redlock_core::LockNode> { unimplemented!() }
/// #     fn runtime(&self) -> std::sync::Arc<dyn redlock_core::Runtime> { unimplemented!() }
/// # }
/// mod mine {
///     # use super::Mine;
///     redlock_testkit::conformance_tests! {
///         #[tokio::test(start_paused = true)]
///         Mine::start().await,
///         lacking: a_cut_connection_is_made_again, no_credentials_are_shown
///     }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_tests {
    (#[$($test:tt)*] $subject:expr $(, lacking: $($lacking:ident),* $(,)?)?) => {
        $crate::conformance_rules! {
            { $crate::__conformance_test } { [$($test)*] [$subject] [$($($lacking)*)?] }
        }
    };
    ($subject:expr $(, lacking: $($lacking:ident),* $(,)?)?) => {
        $crate::conformance_tests! { #[tokio::test] $subject $(, lacking: $($lacking),*)? }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ({ $test:tt $subject:tt $lacking:tt } $($name:ident in $module:ident: $demand:literal;)*) => {
        $($crate::__conformance_test! { @one $name $test $subject $lacking })*
    };
    (@one $name:ident [$($test:tt)*] [$subject:expr] [$($lacking:ident)*]) => {
        #[$($test)*]
        async fn $name() {
            let subject = $subject;
            let lacking = &[$(stringify!($lacking)),*];
            $crate::conformance::assert_conforms(stringify!($name), &subject, lacking).await;
        }
    };
}
