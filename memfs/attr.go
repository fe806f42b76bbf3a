package memfs

import (
	"strconv"
)

// Sizes and limits.
const (
	PageSize    = 4096    // bytes; SQLite's default page size
	MaxName     = 255     // bytes in one name, as Linux has it
	MaxTarget   = 4095    // bytes in a symbolic link's target
	MaxFileSize = 1 << 44 // bytes; 16 TiB
	maxLinks    = 4000    // names of one file: so that a leaf of inodes, with the directories of all their names, fits in a block
)

// Ino is an inode number: stable for the life of the file, across restore and reopen.
type Ino uint64

// String is the number in decimal digits.
func (i Ino) String() string { return strconv.FormatUint(uint64(i), 10) }

// RootIno is the root directory.
const RootIno Ino = 1

// Bits of Attr.Mode (Linux st_mode).
const (
	S_IFMT   = 0xF000
	S_IFIFO  = 0x1000
	S_IFCHR  = 0x2000
	S_IFDIR  = 0x4000
	S_IFBLK  = 0x6000
	S_IFREG  = 0x8000
	S_IFLNK  = 0xA000
	S_IFSOCK = 0xC000

	permBits = 0x0FFF // with setuid, setgid and sticky
)

// Attr is what stat reports. Times are nanoseconds since 1970; Size is bytes.
type Attr struct {
	Ino                        Ino
	Mode, Nlink, UID, GID      uint32
	Rdev                       uint64
	Size                       int64
	Atime, Mtime, Ctime, Btime int64
}

// AttrMask names the fields that SetAttr changes.
type AttrMask uint32

// The fields that SetAttr can change. SetSize truncates or extends a file.
const (
	SetMode AttrMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetCtime
)

// Dirent is one name in a directory. Type holds the S_IFMT bits.
type Dirent struct {
	Name string
	Ino  Ino
	Type uint32
}
