use super::Fingerprint;

/// Word that a resource has been given up on a node, or may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notice {
    /// Who had it; `None` if that is not known.
    pub holder: Option<Fingerprint>,
    /// How many were told, the reader among them; 1 if that is not known.
    ///
    /// All of them may try now, so each waits a random time that grows with their number.
    pub listeners: u32,
}
