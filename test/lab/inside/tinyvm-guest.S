/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program in tinyvm's guest: 64-bit, CPL 0, position independent. RDI holds
 * the vCPU's turn page and is never changed; RBX is 1 if interrupts are wanted.
 *
 * In each of ROUNDS rounds every address space gets one turn: its CR3 is
 * written, then written RELOADS times more, then its work is done, then HALTS
 * HLTs. Nothing else writes CR3 or halts. Ends by writing to a port.
 */
#include "tinyvm.h"

	.section .rodata
	.balign 16
	.globl tiny_program, tiny_program_end, tiny_interrupt, tiny_fault
tiny_program:
	test	%rbx, %rbx
	jz	1f
	/* Switch the x2APIC on, or interrupts are dropped. */
	mov	$0x1ff, %eax
	xor	%edx, %edx
	mov	$0x80f, %ecx
	wrmsr
	sti
1:	mov	TINY_ROUNDS(%rdi), %r8
.Lround:
	test	%r8, %r8
	jz	.Ldone
	xor	%r9d, %r9d
	lea	TINY_FIRST_SPACE(%rdi), %rsi
.Lturn:
	mov	TINY_SPACE_CR3(%rsi), %rax
	mov	TINY_RELOADS(%rdi), %rcx
	inc	%rcx
1:	mov	%rax, %cr3
	incq	TINY_DONE_CR3(%rdi)
	dec	%rcx
	jnz	1b
	incq	TINY_SPACE_TURNS(%rsi)
	mov	TINY_SPACE_WORK(%rsi), %rcx
	jrcxz	2f
1:	incq	TINY_SPACE_ITERATIONS(%rsi)
	dec	%rcx
	jnz	1b
2:	mov	TINY_HALTS(%rdi), %rcx
	jrcxz	2f
1:	hlt
	incq	TINY_DONE_HALTS(%rdi)
	dec	%rcx
	jnz	1b
2:	add	$TINY_SPACE_SIZE, %rsi
	inc	%r9
	cmp	TINY_SPACES(%rdi), %r9
	jb	.Lturn
	dec	%r8
	jmp	.Lround
.Ldone:
	cli
	mov	$TINY_PORT_DONE, %edx
	out	%al, %dx
	ud2

	/* Any vector from 32 on: count it, tell the x2APIC. */
tiny_interrupt:
	push	%rax
	push	%rcx
	push	%rdx
	incq	TINY_INTERRUPTS(%rdi)
	xor	%eax, %eax
	xor	%edx, %edx
	mov	$0x80b, %ecx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

	/* Any exception: never expected. */
tiny_fault:
	mov	$TINY_PORT_FAULT, %edx
	out	%al, %dx
	hlt
	jmp	tiny_fault
tiny_program_end:

	.section .note.GNU-stack,"",@progbits
