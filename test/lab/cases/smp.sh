# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 2
#
# L1 with two processors: guests on both at once, each counted exactly.

expect "processors" 2 "$(nproc)"
tinyvm --vcpus 2 --rounds 2000 --work 2000 > one &
tinyvm --vcpus 2 --rounds 2000 --work 100 --halts 1 > two
wait $!
cat one two
expect "writes of CR3, first" 8000 "$(json_sum cr3_writes < one)"
expect "writes of CR3, second" 8000 "$(json_sum cr3_writes < two)"
expect "halts, second" 8000 "$(json_sum halts < two)"
