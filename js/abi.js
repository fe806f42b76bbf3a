/** The layout of the core module's scratch area, as wasm/core/ABI.md has it. Offsets are bytes from its start. */

export const ABI = 4

export const SLOT = 4096 // two slots for paths and names
export const ATTR = 2 * SLOT
export const NUMS = ATTR + 128
export const OUT = NUMS + 64
export const RUN = (OUT >> 2) + 3 // in words of four bytes
export const EDITS = (OUT >> 3) + 2 // in words of eight
export const VIEWS = OUT + 64
export const MAX_VIEWS = 512
export const SIZE = VIEWS + 8 * MAX_VIEWS

export const PAGE = 4096

/** A read or write that is this long may have been cut short by the number of views rather than by the end of the file. */
export const LONG = (MAX_VIEWS - 1) * PAGE

// Fields of the attributes: index in 8-byte words, then in 4-byte words.
export const A_INO = ATTR >> 3
export const A_SIZE = A_INO + 1
export const A_RDEV = A_INO + 2
export const A_ATIME = A_INO + 3
export const A_MTIME = A_INO + 4
export const A_CTIME = A_INO + 5
export const A_BTIME = A_INO + 6
export const A_MODE = (ATTR >> 2) + 14
export const A_NLINK = A_MODE + 1
export const A_UID = A_MODE + 2
export const A_GID = A_MODE + 3
export const A_NS = A_INO + 9

// Bits of setattr's mask.
export const SET_MODE = 1
export const SET_UID = 2
export const SET_GID = 4
export const SET_SIZE = 8
export const SET_ATIME = 16
export const SET_MTIME = 32

// Linux st_mode type bits.
export const S_IFMT = 0xf000
export const S_IFREG = 0x8000
export const S_IFDIR = 0x4000
export const S_IFLNK = 0xa000
