# SPDX-License-Identifier: GPL-2.0-only
# A DIE whose DW_AT_sibling is itself, below the top level: libdwarf, skipping
# the structure around it, goes round for ever.

	.section .debug_abbrev
	.byte	1, 0x11, 1, 0, 0		# compile unit
	.byte	2, 0x13, 1, 0, 0		# structure
	.byte	3, 0x13, 1, 0x01, 0x13, 0, 0	# structure, DW_AT_sibling ref4
	.byte	0

	.section .debug_info
unit:
	.long	end - version
version:
	.value	4
	.long	0
	.byte	8
	.byte	1
	.byte	2
self:
	.byte	3
	.long	self - unit
	.byte	0, 0, 0
end:
