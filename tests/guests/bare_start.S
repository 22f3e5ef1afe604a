/* The first instructions on a bare machine, one entry for each boot protocol, and the interrupt stubs.
 *
 * GUEST_MULTIBOOT and GUEST_MULTIBOOT64 (the same with the addresses in the header, as an ELF64 must have
 * them) are entered in 32-bit protected mode with EAX the magic and EBX the information; GUEST_PVH with EBX
 * hvm_start_info; GUEST_LINUX64 in long mode with RSI the zero page. All end up in bare_entry(magic, info,
 * cr3) in long mode on tables of their own, the first 4 GiB mapped one to one. */

#define MULTIBOOT_MAGIC 0x1badb002

#if defined(GUEST_MULTIBOOT) || defined(GUEST_MULTIBOOT64)
#ifdef GUEST_MULTIBOOT64
#define MULTIBOOT_FLAGS 0x10003
#else
#define MULTIBOOT_FLAGS 0x3
#endif
    .section .multiboot, "ax"
    .balign 4
multiboot_header:
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
#ifdef GUEST_MULTIBOOT64
    .long multiboot_header, _image, _image_end, _end, _start
#endif
#endif

#ifdef GUEST_PVH
/* XEN_ELFNOTE_PHYS32_ENTRY */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad _start
#endif

/* Fill the tables with 32-bit registers alone, so that the same text serves in both modes. */
.macro FILL_TABLES
    movl $tables, %edi
    leal 0x1003(%edi), %eax
    movl %eax, (%edi)
    leal 0x2003(%edi), %eax
    leal 0x1000(%edi), %edx
    movl $4, %ecx
1:  movl %eax, (%edx)
    addl $0x1000, %eax
    addl $8, %edx
    decl %ecx
    jnz 1b
    leal 0x2000(%edi), %edx
    movl $0x83, %eax
    movl $2048, %ecx
2:  movl %eax, (%edx)
    addl $0x200000, %eax
    addl $8, %edx
    decl %ecx
    jnz 2b
.endm

    .section .text.start, "ax"
    .globl _start
#ifdef GUEST_LINUX64
    .code64
_start:
    cli
    cld
    movq %rsi, %rbx
    movq %cr3, %r12
    FILL_TABLES
    movl %edi, %edi
    movq %rdi, %cr3
    movq $stack_top, %rsp
    lgdt gdt_pointer
    pushq $0x8
    pushq $start64
    lretq
#else
    .code32
_start:
    cli
    cld
    movl %eax, %ebp
    FILL_TABLES
    movl %edi, %cr3
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx /* EFER: LME */
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x8, $start64
#endif

    .code64
start64:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq $stack_top, %rsp
    /* The compiler's code uses SSE: CR0.EM off, MP and NE on; CR4.OSFXSR and OSXMMEXCPT on. */
    movq %cr0, %rax
    andl $~0x4, %eax
    orl $0x22, %eax
    movq %rax, %cr0
    movq %cr4, %rax
    orl $0x620, %eax
    movq %rax, %cr4
    fninit
#ifdef GUEST_LINUX64
    xorl %edi, %edi
    movq %rbx, %rsi
    movq %r12, %rdx
#else
    movl %ebp, %edi
    movl %ebx, %esi
    xorl %edx, %edx
#endif
    xorl %ebp, %ebp
    call bare_entry
    ud2

/* Exceptions: 16 bytes each; vector and error code on the stack, 0 where the processor pushes none. */
    .balign 16
    .globl bare_traps
bare_traps:
    .set vector, 0
    .rept 32
    .balign 16
    .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
    pushq $0
    .endif
    pushq $vector
    jmp trapped
    .set vector, vector + 1
    .endr

trapped:
    popq %rdi
    popq %rsi
    movq (%rsp), %rdx
    movq %cr2, %rcx
    andq $-16, %rsp
    call bare_trapped
    ud2

/* Every interrupt: it is counted, and both controllers hear that it is over. */
    .globl bare_interrupt
bare_interrupt:
    pushq %rax
    incq bare_interrupts
    movb $0x20, %al
    outb %al, $0xa0
    outb %al, $0x20
    popq %rax
    iretq

    .section .rodata
    .balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

    .bss
    .balign 4096
tables:
    .skip 6 * 4096
    .skip 64 * 1024
stack_top:

    .section .note.GNU-stack, "", @progbits
