//! SHA-256 as files and reports name it: 64 hexadecimal digits.

use sha2::Digest;
pub use sha2::Sha256;

/// The digest of `bytes`.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The digest of what went into `hash`.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
