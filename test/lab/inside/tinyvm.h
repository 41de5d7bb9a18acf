/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tinyvm and the program in its guest both know: where things are in guest
 * memory, and the turn page. Included by assembly too.
 *
 * Guest physical memory is mapped one to one by every address space:
 *
 *   0x1000              the guest's program, of all vCPUs
 *   0x2000              GDT
 *   0x3000              IDT
 *   BLOCK(n)            of vCPU n: its turn page, a page of stack, then three pages
 *                       of page tables for each of its address spaces
 */
#ifndef TEST_LAB_TINYVM_H
#define TEST_LAB_TINYVM_H

#define TINY_PROGRAM		0x1000
#define TINY_GDT		0x2000
#define TINY_IDT		0x3000
#define TINY_BLOCKS		0x100000
#define TINY_BLOCK_SIZE		0x40000
#define TINY_TABLES		0x4000	/* within a block */
#define TINY_TABLES_SIZE	0x3000
#define TINY_RAM		0x800000

#define TINY_MAX_VCPUS		16
#define TINY_MAX_SPACES		16

#define TINY_CODE_SELECTOR	8
#define TINY_DATA_SELECTOR	16

/* What the guest's program writes to a port to end. */
#define TINY_PORT_DONE		0xf4
#define TINY_PORT_FAULT		0xf5

/* Offsets in struct tiny_page and struct tiny_space, for assembly. */
#define TINY_ROUNDS		0
#define TINY_SPACES		8
#define TINY_RELOADS		16
#define TINY_HALTS		24
#define TINY_INTERRUPTS		32
#define TINY_DONE_HALTS		40
#define TINY_DONE_CR3		48
#define TINY_FIRST_SPACE	64
#define TINY_SPACE_SIZE		32
#define TINY_SPACE_CR3		0
#define TINY_SPACE_WORK		8
#define TINY_SPACE_TURNS	16
#define TINY_SPACE_ITERATIONS	24

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct tiny_space {
	uint64_t cr3;
	uint64_t work;		/* iterations per turn */
	/* counted by the guest */
	uint64_t turns;
	uint64_t iterations;
};

struct tiny_page {
	uint64_t rounds;	/* each gives every address space one turn */
	uint64_t spaces;
	uint64_t reloads;	/* more writes of the same CR3, per turn */
	uint64_t halts;		/* HLTs per turn */
	/* counted by the guest */
	uint64_t interrupts;
	uint64_t done_halts;
	uint64_t done_cr3;	/* writes of CR3, the reloads among them */
	uint64_t reserved;
	struct tiny_space space[TINY_MAX_SPACES];
};

_Static_assert(offsetof(struct tiny_page, rounds) == TINY_ROUNDS, "");
_Static_assert(offsetof(struct tiny_page, spaces) == TINY_SPACES, "");
_Static_assert(offsetof(struct tiny_page, reloads) == TINY_RELOADS, "");
_Static_assert(offsetof(struct tiny_page, halts) == TINY_HALTS, "");
_Static_assert(offsetof(struct tiny_page, interrupts) == TINY_INTERRUPTS, "");
_Static_assert(offsetof(struct tiny_page, done_halts) == TINY_DONE_HALTS, "");
_Static_assert(offsetof(struct tiny_page, done_cr3) == TINY_DONE_CR3, "");
_Static_assert(offsetof(struct tiny_page, space) == TINY_FIRST_SPACE, "");
_Static_assert(sizeof(struct tiny_space) == TINY_SPACE_SIZE, "");
_Static_assert(TINY_TABLES + TINY_MAX_SPACES * TINY_TABLES_SIZE <=
	       TINY_BLOCK_SIZE, "");
_Static_assert(TINY_BLOCKS + TINY_MAX_VCPUS * TINY_BLOCK_SIZE <= TINY_RAM, "");

/* The guest's program; may be copied anywhere. */
extern const char tiny_program[], tiny_program_end[];
extern const char tiny_interrupt[], tiny_fault[];
#endif

#endif /* TEST_LAB_TINYVM_H */
