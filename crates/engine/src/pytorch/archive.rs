//! The files in an archive that `torch.save` wrote: zip, not compressed.

use std::collections::BTreeMap;

/// Why bytes are no such archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("not a file of torch.save: {0}")]
    Damaged(&'static str),
    #[error("it is larger than 4 GB; save the state dict alone, as safetensors")]
    TooLarge,
    #[error("its files are compressed; save it again with torch.save, or as safetensors")]
    Compressed,
}

use ArchiveError::{Compressed, Damaged, TooLarge};

const END: [u8; 4] = [b'P', b'K', 5, 6];
const ENTRY: [u8; 4] = [b'P', b'K', 1, 2];
const FILE: [u8; 4] = [b'P', b'K', 3, 4];
/// The end of an archive is so long, without a comment; comments are at most 65,535 bytes.
const END_BYTES: usize = 22;
/// In place of sizes that are written elsewhere.
const ELSEWHERE: u32 = u32::MAX;

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2)?.try_into().ok().map(|bytes| usize::from(u16::from_le_bytes(bytes)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// Whether bytes begin as an archive does.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&FILE)
}

/// The contents of the files by their names, without the folder that all of them lie in.
///
/// # Errors
/// What is wrong with the bytes.
pub fn files(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, ArchiveError> {
    let cut = || Damaged("it is cut off");
    let from = bytes.len().saturating_sub(END_BYTES + usize::from(u16::MAX));
    let end = bytes[from..].windows(END.len()).rposition(|window| window == END).ok_or_else(cut)? + from;
    let count = u16_at(bytes, end + 10).ok_or_else(cut)?;
    let start = u32_at(bytes, end + 16).ok_or_else(cut)?;
    if start == ELSEWHERE {
        return Err(TooLarge);
    }
    let (mut at, mut out) = (start as usize, BTreeMap::new());
    for _ in 0..count {
        if bytes.get(at..).is_none_or(|rest| !rest.starts_with(&ENTRY)) {
            return Err(Damaged("its list of files is damaged"));
        }
        let number = |offset: usize| u32_at(bytes, at + offset).ok_or_else(cut);
        let length = |offset: usize| u16_at(bytes, at + offset).ok_or_else(cut);
        let (method, size, place) = (length(10)?, number(20)?, number(42)?);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        if size == ELSEWHERE || place == ELSEWHERE {
            return Err(TooLarge);
        }
        if method != 0 {
            return Err(Compressed);
        }
        let text = bytes.get(at + 46..at + 46 + name).ok_or_else(cut)?;
        let text = std::str::from_utf8(text).map_err(|_| Damaged("a name in it is no text"))?;
        out.insert(text.split_once('/').map_or(text, |(_, inner)| inner), content(bytes, place, size)?);
        at += 46 + name + extra + comment;
    }
    Ok(out)
}

/// The bytes of the file whose header is at `place`.
fn content(bytes: &[u8], place: u32, size: u32) -> Result<&[u8], ArchiveError> {
    let header = bytes.get(place as usize..).filter(|rest| rest.starts_with(&FILE));
    let header = header.ok_or(Damaged("a file in it is not where the list says"))?;
    let cut = || Damaged("a file in it is cut off");
    let (name, extra) = (u16_at(header, 26).ok_or_else(cut)?, u16_at(header, 28).ok_or_else(cut)?);
    let from = 30 + name + extra;
    header.get(from..from + size as usize).ok_or_else(cut)
}
