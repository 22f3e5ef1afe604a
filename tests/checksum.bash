# Loaded by the files that give the guest `machine` something to read.
# shellcheck shell=bash

# checksum FILE: as the guest `machine` prints it (FNV-1a).
checksum() {
    python3 -c '
import sys
sum = 0xcbf29ce484222325
for byte in open(sys.argv[1], "rb").read():
    sum = (sum ^ byte) * 0x100000001b3 % 2**64
print("%016x" % sum)' "$1"
}
