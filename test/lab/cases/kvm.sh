# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
#
# The lab itself: KVM works in L1, and what a guest does is counted exactly.

expect "nested page tables" Y "$(cat /sys/module/kvm_amd/parameters/npt)"

# tinyvm fails if its guest counted anything else than what was asked for.
count_exits tinyvm --spaces 3 --rounds 500 --work 10,20,30 --reloads 2 \
	--halts 1 > counts
cat counts
expect "writes of CR3" 4500 "$(json_sum cr3_writes < counts)"
expect "exits for HLT" 1500 "$(exits_for $exit_hlt)"
expect "exits for writes of CR3, which nobody asked for" 0 \
	"$(exits_for $exit_write_cr3)"

# An interrupt each ends every HLT; KVM's own APIC delivers them.
tinyvm --irqchip --kick 0xfb --vcpus 2 --rounds 20 --halts 2 > counts
cat counts
expect "halts" 160 "$(json_sum halts < counts)"
expect_at_least "interrupts" 160 "$(json_sum interrupts < counts)"

# Passes of one VM are counted apart.
printf '\n\n\n' | tinyvm --passes --rounds 10 > counts
expect "lines of three passes" 4 "$(wc -l < counts)"
expect "writes of CR3 in all" 60 "$(json_sum cr3_writes < counts)"
