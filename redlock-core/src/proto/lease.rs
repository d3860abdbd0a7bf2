use std::time::Duration;

use super::{Fence, LossReason, Moment, Resource, ResourceSet, Token, Ttl};

/// A held lock as plain data: what to name and what to show in order to extend or release it.
///
/// It can be taken out of a guard, written down, carried to another process and used there. It
/// carries no moment that another machine could trust: whoever goes on with it asks the nodes
/// (`Redlock::adopt`), because its clock cannot know how long the lease travelled.
///
/// One whose [loss](Self::lost) had been told says so wherever it goes, and nobody can adopt or
/// extend it: its nodes are being released.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    resources: ResourceSet,
    token: Token,
    ttl: Ttl,
    validity: Duration,
    until: Option<Moment>,
    fence: Option<Fence>,
    lost: Option<LossReason>,
}

impl Lease {
    /// The lease that this resource, or this set of them, token and ttl make, from whatever source:
    /// another process, another client of the same nodes. That it is not [lost](Self::lost) is for
    /// that source to know.
    #[must_use]
    pub fn new(resources: impl Into<ResourceSet>, token: Token, ttl: Ttl) -> Self {
        let resources = resources.into();
        Self {
            resources,
            token,
            ttl,
            validity: Duration::ZERO,
            until: None,
            fence: None,
            lost: None,
        }
    }

    /// The same lease, known to be valid for `validity` from `now`, until `until`.
    #[must_use]
    pub(crate) const fn valid(mut self, validity: Duration, until: Moment) -> Self {
        self.validity = validity;
        self.until = Some(until);
        self
    }

    /// The same lease, known to be lost.
    #[must_use]
    pub(crate) const fn over(mut self, reason: LossReason) -> Self {
        self.validity = Duration::ZERO;
        self.lost = Some(reason);
        self
    }

    /// The same lease with this fencing token, as its holder had it.
    #[must_use]
    pub const fn fenced(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }

    /// A number that is larger than that of every holder before, for the resource to compare: who
    /// comes with a smaller one than it has seen is no holder any more. `None` unless the lock was
    /// taken with [`fencing`](crate::Lock::fencing).
    #[must_use]
    pub const fn fencing_token(&self) -> Option<Fence> {
        self.fence
    }

    /// What is locked; of [several](Self::resources), the one whose name comes first.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        self.resources.first()
    }

    /// All that is locked: one resource, or those of a set.
    #[must_use]
    pub const fn resources(&self) -> &ResourceSet {
        &self.resources
    }

    /// The proof of ownership.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }

    /// The lifetime that nodes were last asked for, and that made them keep the lock for as long as
    /// they do.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// How long the lock could still be trusted when this value was made: a record, not a clock.
    /// Zero if it was put together by hand.
    #[must_use]
    pub const fn validity(&self) -> Duration {
        self.validity
    }

    /// When validity ends by the clock of the runtime that took the lock, or would have if it is
    /// [lost](Self::lost); `None` if the lease came from elsewhere.
    #[must_use]
    pub const fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Why the lock was lost, if that had been told when this value was made. Whoever took it then
    /// releases its nodes, at once or after the [grace](crate::RedlockBuilder::grace), so nobody may
    /// go on with it, whatever nodes say meanwhile.
    #[must_use]
    pub const fn lost(&self) -> Option<LossReason> {
        self.lost
    }
}

#[cfg(feature = "serde")]
mod plain {
    //! The written form: resource and token, and the durations in milliseconds. Several resources
    //! are written as a list, and why it is lost only if it is.

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{Duration, Fence, Lease, LossReason, Resource, ResourceSet, Token, Ttl};

    /// The token is text if it is UTF-8, as those made here are, and a list of bytes otherwise.
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes(Vec<u8>),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Reason {
        Expired,
        QuorumLost,
        HeldTooLong,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Lease")]
    struct Plain {
        resource: Names,
        token: Written,
        ttl_ms: u64,
        #[serde(default)]
        validity_ms: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<Reason>,
    }

    impl From<LossReason> for Reason {
        fn from(reason: LossReason) -> Self {
            match reason {
                LossReason::Expired => Self::Expired,
                LossReason::QuorumLost => Self::QuorumLost,
                LossReason::HeldTooLong => Self::HeldTooLong,
            }
        }
    }

    impl From<Reason> for LossReason {
        fn from(reason: Reason) -> Self {
            match reason {
                Reason::Expired => Self::Expired,
                Reason::QuorumLost => Self::QuorumLost,
                Reason::HeldTooLong => Self::HeldTooLong,
            }
        }
    }

    impl Serialize for Lease {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let bytes = self.token.as_bytes();
            let token = match str::from_utf8(bytes) {
                Ok(text) => Written::Text(text.to_owned()),
                Err(_) => Written::Bytes(bytes.to_vec()),
            };
            Plain {
                resource: match self.resources.only() {
                    Some(only) => Names::One(only.to_string()),
                    None => Names::Many(self.resources.iter().map(Resource::to_string).collect()),
                },
                token,
                ttl_ms: self.ttl.as_millis(),
                validity_ms: u64::try_from(self.validity.as_millis()).unwrap_or(u64::MAX),
                fence: self.fence.map(Fence::get),
                lost: self.lost.map(Reason::from),
            }
            .serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Lease {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let plain = Plain::deserialize(deserializer)?;
            let token = match plain.token {
                Written::Text(text) => text.into_bytes(),
                Written::Bytes(bytes) => bytes,
            };
            let names = match plain.resource {
                Names::One(name) => vec![name],
                Names::Many(names) => names,
            };
            let resources = names.into_iter().map(Resource::new).collect::<Result<Vec<_>, _>>();
            let resources = resources.and_then(ResourceSet::new).map_err(D::Error::custom)?;
            let token = Token::from_bytes(token).map_err(D::Error::custom)?;
            let ttl = Ttl::new(Duration::from_millis(plain.ttl_ms)).map_err(D::Error::custom)?;
            let validity = Duration::from_millis(plain.validity_ms);
            let fence = plain.fence.map(Fence::new);
            let lost = plain.lost.map(LossReason::from);
            Ok(Self { validity, fence, lost, ..Self::new(resources, token, ttl) })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::proto::Moment;

        #[test]
        fn a_lease_survives_the_journey_but_its_moment_does_not() {
            let ttl = Ttl::new(Duration::from_millis(1500)).unwrap();
            for token in [&b"abc"[..], &[0xff, 0x00]] {
                let token = Token::from_bytes(token).unwrap();
                let lease = Lease::new(Resource::new("a").unwrap(), token.clone(), ttl)
                    .valid(Duration::from_millis(1400), Moment::ORIGIN);
                let json = serde_json::to_string(&lease).unwrap();
                let back: Lease = serde_json::from_str(&json).unwrap();
                assert_eq!(back.resource().as_str(), "a");
                assert_eq!(back.token(), &token);
                assert_eq!(back.ttl(), ttl);
                assert_eq!(back.validity(), Duration::from_millis(1400));
                assert_eq!(back.until(), None);
                assert_eq!(back.lost(), None);
                assert!(!json.contains("lost"), "{json}");
            }
        }

        #[test]
        fn what_is_lost_arrives_as_lost() {
            let ttl = Ttl::new(Duration::from_millis(1500)).unwrap();
            let token = Token::from_bytes(*b"t").unwrap();
            let lease = Lease::new(Resource::new("a").unwrap(), token, ttl);
            for (reason, word) in [
                (LossReason::Expired, "expired"),
                (LossReason::QuorumLost, "quorum_lost"),
                (LossReason::HeldTooLong, "held_too_long"),
            ] {
                let json = serde_json::to_string(&lease.clone().over(reason));
                let json = json.unwrap();
                assert!(json.contains(&format!(r#""lost":"{word}""#)), "{json}");
                let back: Lease = serde_json::from_str(&json).unwrap();
                assert_eq!(back.lost(), Some(reason));
            }
        }

        #[test]
        fn a_lease_that_was_written_before_losses_were_is_read() {
            let written = r#"{"resource":"a","token":"t","ttl_ms":10}"#;
            let lease: Lease = serde_json::from_str(written).unwrap();
            assert_eq!(lease.lost(), None);
        }

        #[test]
        fn a_lease_of_several_resources_survives_it_as_well() {
            let ttl = Ttl::new(Duration::from_millis(1500)).unwrap();
            let resource = |name: &str| Resource::new(name).unwrap();
            let set = ResourceSet::new([resource("b,c"), resource("a")]).unwrap();
            let lease = Lease::new(set.clone(), Token::from_bytes(*b"t").unwrap(), ttl);
            let json = serde_json::to_string(&lease).unwrap();
            assert!(json.contains(r#""resource":["a","b,c"]"#), "{json}");
            let back: Lease = serde_json::from_str(&json).unwrap();
            assert_eq!(back.resources(), &set);
        }

        #[test]
        fn what_could_not_be_a_lease_is_refused() {
            for json in [
                r#"{"resource":"","token":"t","ttl_ms":10}"#,
                r#"{"resource":[],"token":"t","ttl_ms":10}"#,
                r#"{"resource":["a",""],"token":"t","ttl_ms":10}"#,
                r#"{"resource":"a","token":"","ttl_ms":10}"#,
                r#"{"resource":"a","token":"t","ttl_ms":0}"#,
                r#"{"resource":"a","token":"t","ttl_ms":18446744073709551615}"#,
                r#"{"resource":"a","ttl_ms":10}"#,
                r#"{"resource":"a","token":"t","ttl_ms":10,"lost":"for fun"}"#,
            ] {
                assert!(serde_json::from_str::<Lease>(json).is_err(), "{json}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_tells_what_was_known_of_it() {
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        let token = Token::from_bytes(*b"abc").unwrap();
        let lease = Lease::new(Resource::new("a").unwrap(), token.clone(), ttl);
        assert_eq!(lease.resource().as_str(), "a");
        assert_eq!(lease.token(), &token);
        assert_eq!(lease.ttl(), ttl);
        assert_eq!(lease.validity(), Duration::ZERO);
        assert_eq!(lease.until(), None);

        let until = Moment::at(Duration::from_secs(7));
        let lease = lease.valid(Duration::from_millis(900), until);
        assert_eq!(lease.validity(), Duration::from_millis(900));
        assert_eq!(lease.until(), Some(until));
        assert_eq!(lease.lost(), None);

        let lease = lease.over(LossReason::QuorumLost);
        assert_eq!(lease.validity(), Duration::ZERO);
        assert_eq!(lease.until(), Some(until));
        assert_eq!(lease.lost(), Some(LossReason::QuorumLost));
    }
}
