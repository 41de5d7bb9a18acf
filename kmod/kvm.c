// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only file that names KVM; what it offers is in kvm.h.
 *
 * Nothing is linked with kvm.ko: it may come and go. Used are inline functions
 * of linux/kvm_host.h, fields of public structures, the tracepoints kvm_entry
 * and kvm_exit found through the module notifier, and one function,
 * kvm_apic_send_ipi(), looked up while a VM is attached. Private structures of
 * kvm_amd (where a vCPU's VMCB is) are found through BTF. What is missing turns
 * a feature off, with its reason; nothing is guessed.
 *
 * Rules:
 *  - Probes run in the vCPU's thread, on 6.1/AMD kvm_exit with interrupts on.
 *    They touch nothing but their vCPU's struct link_vcpu and record.
 *  - The CR3 intercept is in the VMCB only from kvm_entry to kvm_exit, so KVM
 *    never sees it: it does not leak into a nested guest's VMCB and is not
 *    lost by a vCPU's INIT.
 *  - A hold is request bit 63 of each vCPU, which KVM does not know: any
 *    pending request keeps a vCPU from entering, unknown ones are never
 *    cleared. Once all have been kicked out and interrupted, none is inside.
 *  - Writes are made under slots_lock, so that they are either before or after
 *    a migration's look at the dirty log, never across it; and never while the
 *    VM is paused: its last look may be over.
 *
 * Intel: time per vCPU only. Reading a VMCS needs the vCPU's thread, and
 * trapping CR3 a replacement of handle_cr(), which warns otherwise.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/static_call.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/svm.h>
#include <asm/tsc.h>

#include "account.h"
#include "btf.h"
#include "compat/compat.h"
#include "kvm.h"

#define HOLD_BIT	63
#define FOUND_MAX	8192
#define EXPEL_TRIES	2000	/* of a millisecond */

/*
 * The VMCB by its architectural offsets (AMD APM vol. 2, appendix B): the
 * header's names for them change.
 */
#define VMCB_CR			0x000
#define VMCB_ASID		0x058
#define VMCB_EXIT_CODE		0x070
#define VMCB_NESTED		0x090	/* bit 0 NPT, bit 1 SEV */
#define VMCB_CLEAN		0x0c0
#define VMCB_SAVE		0x400
#define CR3_WRITE		BIT(16 + 3)
#define CLEAN_INTERCEPTS	BIT(0)
#define NESTED_NPT		BIT_ULL(0)
#define NESTED_SEV		BIT_ULL(1)
#define EXIT_WRITE_CR3		0x13

#define SAVE_OFFSET(field)	(VMCB_SAVE + offsetof(struct vmcb_save_area, field))

static_assert(offsetof(struct vmcb_control_area, intercepts) == VMCB_CR);
static_assert(offsetof(struct vmcb_control_area, asid) == VMCB_ASID);
static_assert(offsetof(struct vmcb_control_area, exit_code) == VMCB_EXIT_CODE);
static_assert(offsetof(struct vmcb_control_area, clean) == VMCB_CLEAN);
static_assert(INTERCEPT_CR3_WRITE == 16 + 3);
static_assert(sizeof_field(struct kvm_vcpu, requests) == 8);
static_assert(MONARCH_ACCOUNT_SAMPLE && MONARCH_ACCOUNT_CR3);

/* A vCPU's state between probes; touched by its thread only. */
struct link_vcpu {
	struct account account;
	bool trusted;	/* its VMCB has passed the test */
	bool trapped;	/* the intercept is in the VMCB; read by link_close() */
	bool hardware;	/* ... was, at the last entry: for the clean bit */
};

struct link {
	struct hlist_node node;		/* in links, by kvm; RCU */
	struct kvm *kvm;
	struct file *file;
	struct mm_struct *mm;		/* kvm->mm, grabbed */
	struct mmu_notifier notifier;
	void (*gone)(void *data);
	void *gone_data;
	void *records;			/* struct monarch_vcpu[max_vcpus] */
	u32 max_vcpus;
	u32 methods;			/* WRITE_ONCE; probes read it */
	bool registers;			/* offsets are known and proven */
	bool odd;			/* ... and turned out wrong */
	bool dead;			/* its process ends */
	bool edit;			/* link_begin(edit); its thread only */
	int srcu;
	unsigned long irq_flags;	/* during a hold */
	cpumask_var_t cpus;		/* during a hold */
	struct link_vcpu vcpus[];
};

/* Changed under hooks_lock; the table itself is read under RCU. */
static DEFINE_HASHTABLE(links, 6);
static DEFINE_MUTEX(hooks_lock);
static struct tracepoint *tp_entry, *tp_exit;
static u32 nr_links;
static bool known;		/* the offsets below are valid */
static int off_vmcb01, off_ptr;
static u64 features;
static char why[MONARCH_FEATURE_NR][MONARCH_WHY_LEN];

/* Its type for symbol_get(), which looks it up by name: nothing is linked. */
extern void kvm_apic_send_ipi(struct kvm_lapic *apic, u32 icr_low,
			      u32 icr_high);

static void send_ipi_none(struct kvm_lapic *apic, u32 icr_low, u32 icr_high)
{
}

/*
 * A patched direct call: no indirect branch, so neither retpoline nor a check of
 * its target by the CPU (IBT) is in the way.
 */
DEFINE_STATIC_CALL(send_ipi, send_ipi_none);
static bool have_ipi;

/* ---- probes ---- */

static struct link *link_of(const struct kvm *kvm)
{
	struct link *link;

	hash_for_each_possible_rcu(links, link, node, (unsigned long)kvm)
		if (link->kvm == kvm)
			return link;
	return NULL;
}

static struct monarch_vcpu *record_of(const struct link *link, u32 index)
{
	return (struct monarch_vcpu *)link->records + index;
}

static u8 *vmcb_of(const struct kvm_vcpu *vcpu)
{
	return *(u8 **)((u8 *)vcpu + off_vmcb01 + off_ptr);
}

static u64 vmcb_u64(const u8 *vmcb, u32 offset)
{
	return READ_ONCE(*(u64 *)(vmcb + offset));
}

static bool in_nested(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & HF_GUEST_MASK;
}

static bool in_smm(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & HF_SMM_MASK;
}

/* The guest could enter a guest of its own at any moment. */
static bool nested_armed(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.efer & EFER_SVME;
}

/* A first look at what the offsets have led to: is that a VMCB in use? */
static bool vmcb_trust(struct link *link, struct link_vcpu *mine,
		       const u8 *vmcb)
{
	if (mine->trusted)
		return true;
	if (!vmcb || !PAGE_ALIGNED(vmcb) || !virt_addr_valid(vmcb)) {
		WRITE_ONCE(link->odd, true);
		return false;
	}
	/* Not set up before the first entry: neither right nor wrong. */
	if (!READ_ONCE(*(u32 *)(vmcb + VMCB_ASID)))
		return false;
	if (!(vmcb_u64(vmcb, SAVE_OFFSET(efer)) & EFER_SVME)) {
		WRITE_ONCE(link->odd, true);
		return false;
	}
	mine->trusted = true;
	return true;
}

/* Without nested paging, the VMCB has the shadow's CR3. */
static u64 guest_cr3(const struct kvm_vcpu *vcpu, const u8 *vmcb)
{
	if (vmcb_u64(vmcb, VMCB_NESTED) & NESTED_NPT)
		return vmcb_u64(vmcb, SAVE_OFFSET(cr3));
	return vcpu->arch.cr3;
}

static void trap_set(struct link_vcpu *mine, u8 *vmcb, bool want)
{
	u32 *intercepts = (u32 *)(vmcb + VMCB_CR);

	if (want && !mine->trapped) {
		/* KVM does it for itself: not ours to take away at the exit. */
		if (*intercepts & CR3_WRITE)
			return;
		*intercepts |= CR3_WRITE;
	} else if (!want && mine->trapped) {
		*intercepts &= ~CR3_WRITE;
	}
	WRITE_ONCE(mine->trapped, want);
}

/* Hardware may keep intercepts of the last entry unless told that they changed. */
static void trap_enter(struct link_vcpu *mine, u8 *vmcb, bool want)
{
	trap_set(mine, vmcb, want);
	if (mine->trapped != mine->hardware)
		*(u32 *)(vmcb + VMCB_CLEAN) &= ~CLEAN_INTERCEPTS;
	mine->hardware = mine->trapped;
}

static void vcpu_trap(struct link *link, struct link_vcpu *mine,
		      struct kvm_vcpu *vcpu, u8 *vmcb,
		      struct account_sight *sight)
{
	bool want = READ_ONCE(link->methods) & MONARCH_ACCOUNT_CR3;
	struct monarch_vcpu *record = record_of(link, vcpu->vcpu_idx);
	struct account *account = &mine->account;

	if (want && nested_armed(vcpu)) {
		sight->flags |= MONARCH_VCPU_NESTED;
		want = false;
	}
	if (in_smm(vcpu) || !(vmcb_u64(vmcb, VMCB_NESTED) & NESTED_NPT))
		want = false;
	if (want && account->cr3_exit &&
	    account_storm(account, sight->tsc, tsc_khz, record->cr3,
			  sight->cr3))
		WRITE_ONCE(record->storms, record->storms + 1);
	account->cr3_exit = false;
	want = want && account_may_trap(account, sight->tsc);
	trap_enter(mine, vmcb, want);
	if (mine->trapped)
		sight->flags |= MONARCH_VCPU_TRAPPED;
}

static void vcpu_enter(struct link *link, struct kvm_vcpu *vcpu)
{
	struct link_vcpu *mine = &link->vcpus[vcpu->vcpu_idx];
	struct account_sight sight = {
		.tsc = rdtsc(),
		.nested = in_nested(vcpu),
		.run_delay = current->sched_info.run_delay,
	};
	u8 *vmcb;

	if (link->registers && !sight.nested) {
		vmcb = vmcb_of(vcpu);
		if (vmcb_trust(link, mine, vmcb)) {
			sight.cr3 = guest_cr3(vcpu, vmcb);
			sight.known = true;
			vcpu_trap(link, mine, vcpu, vmcb, &sight);
		}
	}
	if (!READ_ONCE(link->methods))
		sight.known = false;
	account_enter(&mine->account, record_of(link, vcpu->vcpu_idx), &sight);
}

/*
 * When a vCPU left. Where kvm_exit comes late, with interrupts on again (6.1 on
 * AMD), host interrupts have been served since: KVM itself has noted the time
 * before, as the guest's.
 */
static u64 exit_tsc(const struct kvm_vcpu *vcpu, u64 entry)
{
	u64 now = rdtsc(), noted;

	if (irqs_disabled() ||
	    vcpu->arch.l1_tsc_scaling_ratio != SVM_TSC_RATIO_DEFAULT)
		return now;
	noted = vcpu->arch.last_guest_tsc - vcpu->arch.l1_tsc_offset;
	return noted >= entry && noted <= now ? noted : now;
}

static void vcpu_leave(struct link *link, struct kvm_vcpu *vcpu)
{
	struct link_vcpu *mine = &link->vcpus[vcpu->vcpu_idx];
	u64 tsc = exit_tsc(vcpu, mine->account.entry);
	bool cr3_exit = false;
	u8 *vmcb;

	if (mine->trapped) {
		vmcb = vmcb_of(vcpu);
		cr3_exit = *(u32 *)(vmcb + VMCB_EXIT_CODE) == EXIT_WRITE_CR3;
		trap_set(mine, vmcb, false);
	}
	account_leave(&mine->account, record_of(link, vcpu->vcpu_idx), tsc,
		      cr3_exit);
}

/*
 * kvm_entry passes (vcpu), newer kernels (vcpu, force_immediate_exit): a probe
 * that takes the first only is right for both.
 */
static void probe_entry(void *data, struct kvm_vcpu *vcpu)
{
	struct link *link;

	rcu_read_lock();
	link = link_of(vcpu->kvm);
	if (link && (u32)vcpu->vcpu_idx < link->max_vcpus)
		vcpu_enter(link, vcpu);
	rcu_read_unlock();
}

static void probe_exit(void *data, struct kvm_vcpu *vcpu, u32 isa)
{
	struct link *link;

	rcu_read_lock();
	link = link_of(vcpu->kvm);
	if (link && (u32)vcpu->vcpu_idx < link->max_vcpus)
		vcpu_leave(link, vcpu);
	rcu_read_unlock();
}

/* ---- features ---- */

static void feature_on(u32 feature)
{
	features |= BIT_ULL(feature);
	why[feature][0] = '\0';
}

__printf(2, 3) static void feature_off(u32 feature, const char *format, ...)
{
	char text[MONARCH_WHY_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Said once: not at each look, nor for each feature that it concerns. */
	if (strcmp(why[feature], text) &&
	    (!feature || strcmp(why[feature - 1], text)))
		pr_info("%s\n", text);
	features &= ~BIT_ULL(feature);
	memcpy(why[feature], text, sizeof(text));
}

static void all_off(u32 first, const char *text)
{
	for (; first < MONARCH_FEATURE_NR; first++)
		feature_off(first, "%s", text);
}

static bool module_has_btf(const char *name)
{
	char file[64];
	struct file *btf;

	snprintf(file, sizeof(file), "/sys/kernel/btf/%s", name);
	btf = filp_open(file, O_RDONLY, 0);
	if (IS_ERR(btf))
		return false;
	filp_close(btf, NULL);
	return true;
}

/* The tracepoints must pass what the probes take. */
static bool check_probes(void)
{
	struct btf_pair *pair;
	int entry, leave, err = btf_open("kvm", &pair);

	if (err) {
		all_off(MONARCH_FEATURE_ACCOUNT,
			"BTF of kvm can not be read: monitoring off");
		return false;
	}
	entry = btf_arity(pair, "btf_trace_kvm_entry");
	leave = btf_arity(pair, "btf_trace_kvm_exit");
	btf_close(pair);
	/* void *, vcpu, perhaps more; void *, vcpu, isa */
	if (entry >= 2 && leave == 3)
		return true;
	pr_info("kvm_entry(vcpu) and kvm_exit(vcpu, isa) expected, found %d and %d arguments\n",
		entry - 1, leave - 1);
	all_off(MONARCH_FEATURE_ACCOUNT,
		"the tracepoints of kvm do not pass what they should: monitoring off");
	return false;
}

static bool check_offsets(const char **ret_what, int *ret_found)
{
	struct btf_pair *pair;
	int size, vcpu;
	int err = btf_open("kvm_amd", &pair);

	*ret_what = "BTF of kvm_amd";
	*ret_found = err;
	if (err)
		return false;
	size = btf_size(pair, "kvm_vcpu");
	vcpu = btf_offset(pair, "vcpu_svm", "vcpu");
	off_vmcb01 = btf_offset(pair, "vcpu_svm", "vmcb01");
	off_ptr = btf_offset(pair, "kvm_vmcb_info", "ptr");
	btf_close(pair);
	*ret_what = "size of struct kvm_vcpu";
	*ret_found = size;
	if (size != sizeof(struct kvm_vcpu))
		return false;
	*ret_what = "vcpu_svm.vcpu";
	*ret_found = vcpu;
	if (vcpu)
		return false;
	*ret_what = "vcpu_svm.vmcb01";
	*ret_found = off_vmcb01;
	if (off_vmcb01 < size)
		return false;
	*ret_what = "kvm_vmcb_info.ptr";
	*ret_found = off_ptr;
	return off_ptr >= 0;
}

static void look_at_registers(void)
{
	const char *what;
	int found;

	if (module_has_btf("kvm_intel")) {
		feature_off(MONARCH_FEATURE_REGISTERS,
			    "Intel: registers can not be read yet; time per vCPU only");
		feature_off(MONARCH_FEATURE_CR3_TRAP,
			    "Intel: CR3 can not be trapped yet");
	} else if (!check_offsets(&what, &found)) {
		feature_off(MONARCH_FEATURE_REGISTERS,
			    "kvm_amd: %s is not as expected (found %d): registers off",
			    what, found);
		feature_off(MONARCH_FEATURE_CR3_TRAP,
			    "no CR3 trap without registers");
	} else {
		feature_on(MONARCH_FEATURE_REGISTERS);
		feature_on(MONARCH_FEATURE_CR3_TRAP);
	}
}

static void look_at_kick(void)
{
	if (symbol_get(kvm_apic_send_ipi)) {
		symbol_put(kvm_apic_send_ipi);
		feature_on(MONARCH_FEATURE_KICK);
	} else {
		feature_off(MONARCH_FEATURE_KICK,
			    "kvm_apic_send_ipi is not there: no interrupts, so no stop and resume");
	}
}


/* Once per life of kvm_amd or kvm_intel; until one is there, at each look. */
static void look(void)
{
	lockdep_assert_held(&hooks_lock);
	if (known)
		return;
	if (!tp_entry || !tp_exit) {
		all_off(MONARCH_FEATURE_KVM,
			"kvm is not loaded, or has no tracepoints kvm_entry and kvm_exit");
		return;
	}
	if (!module_has_btf("kvm_amd") && !module_has_btf("kvm_intel")) {
		all_off(MONARCH_FEATURE_KVM,
			"neither kvm_amd nor kvm_intel is loaded, or this kernel has no BTF of modules");
		return;
	}
	feature_on(MONARCH_FEATURE_KVM);
	if (!check_probes())
		return;
	feature_on(MONARCH_FEATURE_ACCOUNT);
	feature_on(MONARCH_FEATURE_HOLD);
	look_at_registers();
	look_at_kick();
	known = true;
}

u64 hooks_features(void)
{
	u64 ret;

	mutex_lock(&hooks_lock);
	look();
	ret = features;
	mutex_unlock(&hooks_lock);
	return ret;
}

void hooks_why(u32 feature, char ret[MONARCH_WHY_LEN])
{
	mutex_lock(&hooks_lock);
	memcpy(ret, why[feature], MONARCH_WHY_LEN);
	mutex_unlock(&hooks_lock);
}

/* ---- kvm.ko comes and goes ---- */

static void kvm_coming(const struct module *module)
{
	struct tracepoint *tp;
	unsigned int i;

	for (i = 0; i < module->num_tracepoints; i++) {
		tp = tracepoint_ptr_deref(&module->tracepoints_ptrs[i]);
		if (!strcmp(tp->name, "kvm_entry"))
			tp_entry = tp;
		else if (!strcmp(tp->name, "kvm_exit"))
			tp_exit = tp;
	}
}

/* No link can exist: it would keep a VM's file, and that kvm.ko. */
static void kvm_going(void)
{
	WARN_ON_ONCE(nr_links);
	tp_entry = NULL;
	tp_exit = NULL;
	known = false;
}

static int modules_changed(struct notifier_block *block, unsigned long event,
			   void *data)
{
	const struct tp_module *changed = data;

	if (strcmp(changed->mod->name, "kvm"))
		return NOTIFY_OK;
	mutex_lock(&hooks_lock);
	if (event == MODULE_STATE_COMING)
		kvm_coming(changed->mod);
	else if (event == MODULE_STATE_GOING)
		kvm_going();
	mutex_unlock(&hooks_lock);
	return NOTIFY_OK;
}

static struct notifier_block modules_block = {
	.notifier_call = modules_changed,
};

int hooks_init(void)
{
	/* Also tells of modules that are loaded already. */
	int err = register_tracepoint_module_notifier(&modules_block);

	if (err)
		pr_err("can not watch modules come and go (error %d)\n", err);
	return err;
}

void hooks_exit(void)
{
	unregister_tracepoint_module_notifier(&modules_block);
}

/* ---- finding VMs ---- */

struct scan {
	struct link_found *found;
	struct task_struct *task;
	int nr, max;
};

/* By its name, which anybody can give, and by whose code serves it. */
static bool is_vm_file(const struct file *file)
{
	char symbol[KSYM_SYMBOL_LEN];

	if (strcmp(file->f_path.dentry->d_name.name, "kvm-vm"))
		return false;
	sprint_symbol_no_offset(symbol,
				(unsigned long)file->f_op->unlocked_ioctl);
	return !strncmp(symbol, "kvm_vm_ioctl [kvm", strlen("kvm_vm_ioctl [kvm"));
}

static u32 vm_refusals(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u32 ret = compat_vm_protected(kvm) ? MONARCH_VM_ENCRYPTED : 0;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (vcpu->arch.guest_state_protected)
			ret |= MONARCH_VM_ENCRYPTED;
		if (!vcpu->arch.apic)
			ret |= MONARCH_VM_NO_APIC;
		if (in_nested(vcpu) || nested_armed(vcpu))
			ret |= MONARCH_VM_NESTED;
	}
	return ret;
}

static int scan_file(const void *data, struct file *file, unsigned int fd)
{
	struct scan *scan = (struct scan *)data;
	struct link_found *found = &scan->found[scan->nr];
	struct kvm *kvm;
	int i;

	if (!is_vm_file(file))
		return 0;
	kvm = file->private_data;
	/* Handed on or inherited: the VM is where its memory is. */
	if (kvm->mm != scan->task->mm)
		return 0;
	for (i = 0; i < scan->nr && i < scan->max; i++)
		if (scan->found[i].key == kvm)
			return 0;
	if (scan->nr++ >= scan->max)
		return 0;
	found->file = get_file(file);
	found->key = kvm;
	found->pid = get_pid(task_tgid(scan->task));
	found->born = scan->task->start_boottime;
	found->nr_vcpus = atomic_read(&kvm->online_vcpus);
	found->refusals = vm_refusals(kvm);
	return 0;
}

static void scan_tasks(struct scan *scan)
{
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(task) {
		task_lock(task);
		scan->task = task;
		if (task->files && task->mm)
			iterate_fd(task->files, 0, scan_file, scan);
		task_unlock(task);
	}
	rcu_read_unlock();
}

void link_scan_free(struct link_found *found, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		fput(found[i].file);
		put_pid(found[i].pid);
	}
	kvfree(found);
}

int link_scan(struct link_found **ret)
{
	struct scan scan = { .max = 64 };

	for (;;) {
		scan.nr = 0;
		scan.found = kvcalloc(scan.max, sizeof(*scan.found),
				      GFP_KERNEL);
		if (!scan.found)
			return -ENOMEM;
		if (tp_entry)	/* else whatever looks like one is none */
			scan_tasks(&scan);
		if (scan.nr <= scan.max || scan.max >= FOUND_MAX)
			break;
		link_scan_free(scan.found, scan.max);
		scan.max *= 2;
	}
	*ret = scan.found;
	return min(scan.nr, scan.max);
}

/* ---- attaching ---- */

static void notify_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct link *link = container_of(notifier, struct link, notifier);

	WRITE_ONCE(link->dead, true);
	link->gone(link->gone_data);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = notify_release,
};

static int probes_register(void)
{
	void (*ipi)(struct kvm_lapic *apic, u32 icr_low, u32 icr_high);
	int err;

	lockdep_assert_held(&hooks_lock);
	if (nr_links)
		return 0;
	err = tracepoint_probe_register(tp_entry, (void *)probe_entry, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(tp_exit, (void *)probe_exit, NULL);
	if (err) {
		tracepoint_probe_unregister(tp_entry, (void *)probe_entry,
					    NULL);
		tracepoint_synchronize_unregister();
		return err;
	}
	ipi = symbol_get(kvm_apic_send_ipi);
	if (ipi)
		static_call_update(send_ipi, ipi);
	have_ipi = ipi;
	return 0;
}

static void probes_unregister(void)
{
	lockdep_assert_held(&hooks_lock);
	if (nr_links)
		return;
	tracepoint_probe_unregister(tp_entry, (void *)probe_entry, NULL);
	tracepoint_probe_unregister(tp_exit, (void *)probe_exit, NULL);
	tracepoint_synchronize_unregister();
	if (have_ipi) {
		static_call_update(send_ipi, send_ipi_none);
		symbol_put(kvm_apic_send_ipi);
	}
	have_ipi = false;
}

static struct link *link_new(const struct link_found *found, u32 max_vcpus)
{
	struct link *link = kvzalloc(struct_size(link, vcpus, max_vcpus),
				     GFP_KERNEL);

	if (!link)
		return NULL;
	if (!zalloc_cpumask_var(&link->cpus, GFP_KERNEL)) {
		kvfree(link);
		return NULL;
	}
	link->kvm = found->file->private_data;
	link->file = get_file(found->file);
	link->mm = link->kvm->mm;
	mmgrab(link->mm);
	link->max_vcpus = max_vcpus;
	return link;
}

static void link_free(struct link *link)
{
	mmdrop(link->mm);
	fput(link->file);
	free_cpumask_var(link->cpus);
	kvfree(link);
}

/* mmu_notifier_register() wants an mm that is in use. */
static int watch_mm(struct link *link)
{
	int err;

	if (!mmget_not_zero(link->mm))
		return -ENODEV;
	link->notifier.ops = &notifier_ops;
	err = mmu_notifier_register(&link->notifier, link->mm);
	mmput(link->mm);
	return err;
}

/* Plain SEV shows in the VMCB alone. */
static bool sev_by_vmcb(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	const u8 *vmcb;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		vmcb = vmcb_of(vcpu);
		if (vmcb && PAGE_ALIGNED(vmcb) && virt_addr_valid(vmcb) &&
		    (vmcb_u64(vmcb, VMCB_NESTED) & NESTED_SEV))
			return true;
	}
	return false;
}

static int link_admit(struct link *link)
{
	u64 needed = BIT_ULL(MONARCH_FEATURE_KVM) |
		     BIT_ULL(MONARCH_FEATURE_ACCOUNT);

	lockdep_assert_held(&hooks_lock);
	look();
	if ((features & needed) != needed)
		return -EOPNOTSUPP;
	link->registers = features & BIT_ULL(MONARCH_FEATURE_REGISTERS);
	if (vm_refusals(link->kvm) & MONARCH_VM_ENCRYPTED)
		return -EOPNOTSUPP;
	if (link->registers && sev_by_vmcb(link->kvm))
		return -EOPNOTSUPP;
	return 0;
}

int link_open(const struct link_found *found, void *records, u32 max_vcpus,
	      void (*gone)(void *data), void *data, struct link **ret)
{
	struct link *link = link_new(found, max_vcpus);
	int err;

	if (!link)
		return -ENOMEM;
	link->records = records;
	link->gone = gone;
	link->gone_data = data;
	link->methods = MONARCH_ACCOUNT_SAMPLE;
	mutex_lock(&hooks_lock);
	err = link_admit(link);
	if (!err)
		err = probes_register();
	if (err)
		goto out_free;
	nr_links++;
	hash_add_rcu(links, &link->node, (unsigned long)link->kvm);
	mutex_unlock(&hooks_lock);
	err = watch_mm(link);
	if (err)
		goto out_unhash;
	*ret = link;
	return 0;

out_unhash:
	mutex_lock(&hooks_lock);
	hash_del_rcu(&link->node);
	nr_links--;
	synchronize_rcu();
	probes_unregister();
out_free:
	mutex_unlock(&hooks_lock);
	link_free(link);
	return err;
}

static void arrived(void *data)
{
}

/* Have those vCPUs leave the guest that have our intercept with them. */
static bool expel_trapped(struct link *link)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	bool any = false;
	int cpu;

	kvm_for_each_vcpu(i, vcpu, link->kvm) {
		if (i >= link->max_vcpus ||
		    !READ_ONCE(link->vcpus[i].trapped))
			continue;
		any = true;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0)
			smp_call_function_single(cpu, arrived, NULL, 1);
	}
	return any;
}

/* The last exit takes the intercept away; after that nobody would. */
static void drop_traps(struct link *link)
{
	u32 left = EXPEL_TRIES;

	link_set_methods(link, 0);
	/* Probes that have still seen the trap wanted are through with it. */
	synchronize_rcu();
	while (expel_trapped(link) && !link_is_gone(link) && left--)
		msleep(1);
}

void link_close(struct link *link)
{
	drop_traps(link);
	mutex_lock(&hooks_lock);
	hash_del_rcu(&link->node);
	nr_links--;
	synchronize_rcu();
	probes_unregister();
	mutex_unlock(&hooks_lock);
	mmu_notifier_unregister(&link->notifier, link->mm);
	link_free(link);
}

/* Every descriptor of a vCPU or device counts as a user of the VM. */
bool link_is_gone(const struct link *link)
{
	return READ_ONCE(link->dead) ||
	       (file_count(link->file) == 1 &&
		refcount_read(&link->kvm->users_count) == 1);
}

u32 link_nr_vcpus(const struct link *link)
{
	return atomic_read(&link->kvm->online_vcpus);
}

void link_set_methods(struct link *link, u32 methods)
{
	WRITE_ONCE(link->methods, methods);
}

/* ---- guest memory ---- */

/*
 * slots_lock before srcu: who changes slots waits for srcu readers with it held.
 * kvm->lock keeps new vCPUs from appearing.
 */
int link_begin(struct link *link, bool edit)
{
	struct kvm *kvm = link->kvm;

	if (!mmget_not_zero(link->mm))
		return -ENODEV;
	if (edit) {
		mutex_lock(&kvm->lock);
		mutex_lock(&kvm->slots_lock);
	}
	link->edit = edit;
	kthread_use_mm(link->mm);
	link->srcu = srcu_read_lock(&kvm->srcu);
	__release(&kvm->srcu);	/* for sparse: the other half is in link_end() */
	return 0;
}

void link_end(struct link *link)
{
	struct kvm *kvm = link->kvm;

	__acquire(&kvm->srcu);
	srcu_read_unlock(&kvm->srcu, link->srcu);
	kthread_unuse_mm(link->mm);
	if (link->edit) {
		mutex_unlock(&kvm->slots_lock);
		mutex_unlock(&kvm->lock);
	}
	link->edit = false;
	mmput(link->mm);
}

static bool slot_usable(const struct kvm_memory_slot *slot)
{
	return slot && !(slot->flags & KVM_MEMSLOT_INVALID) &&
	       !compat_slot_private(slot);
}

static int compare_ranges(const void *a, const void *b)
{
	u64 x = ((const struct monarch_ram_range *)a)->gpa;
	u64 y = ((const struct monarch_ram_range *)b)->gpa;

	return x < y ? -1 : x > y;
}

static u32 merge_ranges(struct monarch_ram_range *ranges, u32 nr)
{
	u32 i, last = 0;

	for (i = 1; i < nr; i++) {
		if (ranges[i].gpa == ranges[last].gpa + ranges[last].bytes &&
		    ranges[i].hva == ranges[last].hva + ranges[last].bytes &&
		    ranges[i].flags == ranges[last].flags)
			ranges[last].bytes += ranges[i].bytes;
		else
			ranges[++last] = ranges[i];
	}
	return nr ? last + 1 : 0;
}

u32 link_ranges(const struct link *link, struct monarch_ram_range *ret, u32 max)
{
	struct kvm_memslots *slots = kvm_memslots(link->kvm);
	struct kvm_memory_slot *slot;
	u32 nr = 0, beyond = 0;
	int bucket;

	kvm_for_each_memslot(slot, bucket, slots) {
		if (!slot_usable(slot))
			continue;
		if (nr == max) {
			beyond++;
			continue;
		}
		ret[nr++] = (struct monarch_ram_range) {
			.gpa = slot->base_gfn << PAGE_SHIFT,
			.bytes = (u64)slot->npages << PAGE_SHIFT,
			.hva = slot->userspace_addr,
			.flags = slot->flags & KVM_MEM_READONLY ?
					 MONARCH_RANGE_READONLY : 0,
		};
	}
	sort(ret, nr, sizeof(*ret), compare_ranges, NULL);
	return merge_ranges(ret, nr) + beyond;
}

/*
 * Have the host supply a page. Never waits for disk or for a userfaultfd, whose
 * owner may never answer: what is not there at once is not there.
 */
static int fault_in(struct mm_struct *mm, unsigned long hva, bool write)
{
	unsigned int flags = FOLL_NOWAIT | (write ? FOLL_WRITE : 0);
	struct page *page;
	long got;

	mmap_read_lock(mm);
	got = compat_get_user_page(mm, hva, flags, &page);
	mmap_read_unlock(mm);
	if (got != 1)
		return -EFAULT;
	put_page(page);
	return 0;
}

/* [gpa, gpa + *len) as host addresses, as far as it lies in one slot. */
static struct kvm_memory_slot *slot_at(const struct link *link, u64 gpa,
				       unsigned long *ret_hva, u32 *len)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct kvm_memory_slot *slot =
		__gfn_to_memslot(kvm_memslots(link->kvm), gfn);
	u64 left;

	if (!slot_usable(slot))
		return NULL;
	left = ((slot->base_gfn + slot->npages) << PAGE_SHIFT) - gpa;
	if (*len > left)
		*len = left;
	*ret_hva = __gfn_to_hva_memslot(slot, gfn) + offset_in_page(gpa);
	return slot;
}

static int read_part(struct link *link, unsigned long hva, void *buf, u32 len,
		     bool may_fault)
{
	unsigned long page;

	if (!copy_from_user_nofault(buf, (void __user *)hva, len))
		return 0;
	if (!may_fault)
		return -EFAULT;
	for (page = hva & PAGE_MASK; page < hva + len; page += PAGE_SIZE)
		if (fault_in(link->mm, page, false))
			return -EFAULT;
	return copy_from_user_nofault(buf, (void __user *)hva, len);
}

int link_read(struct link *link, u64 gpa, void *buf, u32 len, bool may_fault)
{
	unsigned long hva;
	u32 part;
	int err;

	for (; len; len -= part, buf += part, gpa += part) {
		part = len;
		if (gpa + len < gpa || !slot_at(link, gpa, &hva, &part))
			return -EFAULT;
		err = read_part(link, hva, buf, part, may_fault);
		if (err)
			return err;
	}
	return 0;
}

int link_fault_in(struct link *link, u64 gpa)
{
	unsigned long hva;
	u32 len = 1;

	if (!slot_at(link, gpa, &hva, &len))
		return -EFAULT;
	return fault_in(link->mm, hva, true);
}

/* ---- holding ---- */

static bool any_running(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (mutex_is_locked(&vcpu->mutex) &&
		    READ_ONCE(vcpu->wants_to_run))
			return true;
	return false;
}

/* Does somebody follow this VM's writes through a ring, which we can not fill? */
static bool ring_in_use(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	int bucket;

	if (!kvm->dirty_ring_size)
		return false;
	kvm_for_each_memslot(slot, bucket, kvm_memslots(kvm))
		if (kvm_slot_dirty_track_enabled(slot))
			return true;
	return false;
}

u32 link_refusals(const struct link *link)
{
	u32 ret = vm_refusals(link->kvm);
	int srcu;

	if (READ_ONCE(link->odd))
		ret |= MONARCH_VM_ODD;
	if (!any_running(link->kvm))
		ret |= MONARCH_VM_PAUSED;
	srcu = srcu_read_lock(&link->kvm->srcu);
	if (ring_in_use(link->kvm))
		ret |= MONARCH_VM_DIRTY_RING;
	srcu_read_unlock(&link->kvm->srcu, srcu);
	return ret;
}

static void unblock(struct kvm *kvm, unsigned long nr)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (i < nr)
			clear_bit(HOLD_BIT, (unsigned long *)&vcpu->requests);
}

/*
 * Bar the way into the guest. Return: how many vCPUs, which is all, or fewer:
 * that one's bit is taken.
 */
static unsigned long block(struct link *link, int me)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int cpu;

	cpumask_clear(link->cpus);
	kvm_for_each_vcpu(i, vcpu, link->kvm) {
		if (test_and_set_bit(HOLD_BIT, (unsigned long *)&vcpu->requests))
			return i;
		/* Has the barrier between our bit and the look at its mode. */
		if (kvm_vcpu_exiting_guest_mode(vcpu) == OUTSIDE_GUEST_MODE)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != me)
			cpumask_set_cpu(cpu, link->cpus);
	}
	return link_nr_vcpus(link);
}

/*
 * A vCPU that is out may be in the middle of an instruction that KVM or its VMM
 * carries out.
 */
static bool quiet(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm)
		if (READ_ONCE(vcpu->mmio_needed) ||
		    READ_ONCE(vcpu->arch.pio.count) || in_smm(vcpu) ||
		    in_nested(vcpu))
			return false;
	return true;
}

/*
 * A vCPU's mode is not looked at again after the interrupts: one that is barred
 * shows IN_GUEST_MODE for a moment on each turn, before it sees the request.
 */
static enum hold_refusal hold_now(struct link *link, bool write)
{
	unsigned long nr;
	int me = get_cpu();

	nr = block(link, me);
	if (nr != link_nr_vcpus(link)) {
		unblock(link->kvm, nr);
		put_cpu();
		return HOLD_TAKEN;
	}
	if (!cpumask_empty(link->cpus))
		smp_call_function_many(link->cpus, arrived, NULL, true);
	if (write && !quiet(link->kvm)) {
		unblock(link->kvm, nr);
		put_cpu();
		return HOLD_STATE;
	}
	local_irq_save(link->irq_flags);
	return HOLD_OK;
}

enum hold_refusal link_hold(struct link *link, bool write, u64 *ret_reach_ns)
{
	u64 start = ktime_get_ns();
	enum hold_refusal refusal;

	lockdep_assert_held(&link->kvm->slots_lock);
	if (write && !any_running(link->kvm))
		return HOLD_PAUSED;
	if (write && ring_in_use(link->kvm))
		return HOLD_DIRTY_RING;
	refusal = hold_now(link, write);
	*ret_reach_ns = ktime_get_ns() - start;
	return refusal;
}

void link_release(struct link *link)
{
	/* What was written must be seen by whoever sees the way free. */
	smp_mb__before_atomic();
	unblock(link->kvm, link_nr_vcpus(link));
	local_irq_restore(link->irq_flags);
	put_cpu();
}

/*
 * KVM's own mark_page_dirty() wants a running vCPU. Under slots_lock, whoever
 * reads the log does so before or after us.
 */
static void mark_dirty(struct kvm_memory_slot *slot, gfn_t gfn)
{
	if (slot->dirty_bitmap)
		set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
}

int link_store(struct link *link, u64 gpa, u32 width, u64 value)
{
	struct kvm_memory_slot *slot;
	unsigned long hva;
	u32 len = width;

	lockdep_assert_held(&link->kvm->slots_lock);
	slot = slot_at(link, gpa, &hva, &len);
	if (!slot || len != width)
		return -EFAULT;
	if (slot->flags & KVM_MEM_READONLY)
		return -EROFS;
	if (copy_to_user_nofault((void __user *)hva, &value, width))
		return -EFAULT;
	mark_dirty(slot, gpa >> PAGE_SHIFT);
	return 0;
}

static void read_registers(const struct kvm_vcpu *vcpu, const u8 *vmcb,
			   struct monarch_vcpu_regs *ret)
{
	ret->state = MONARCH_REGS_VALID;
	ret->cr0 = vmcb_u64(vmcb, SAVE_OFFSET(cr0));
	ret->cr3 = guest_cr3(vcpu, vmcb);
	ret->cr4 = vmcb_u64(vmcb, SAVE_OFFSET(cr4));
	ret->efer = vcpu->arch.efer;
	ret->rip = vmcb_u64(vmcb, SAVE_OFFSET(rip));
	ret->rsp = vmcb_u64(vmcb, SAVE_OFFSET(rsp));
	ret->gs_base = vmcb_u64(vmcb, SAVE_OFFSET(gs.base));
	ret->kernel_gs_base = vmcb_u64(vmcb, SAVE_OFFSET(kernel_gs_base));
	ret->idt_base = vmcb_u64(vmcb, SAVE_OFFSET(idtr.base));
	ret->lstar = vmcb_u64(vmcb, SAVE_OFFSET(lstar));
	ret->cpl = READ_ONCE(vmcb[SAVE_OFFSET(cpl)]) & 3;
	if (in_nested(vcpu))
		ret->state |= MONARCH_REGS_NESTED;
	if (in_smm(vcpu))
		ret->state |= MONARCH_REGS_SMM;
}

u32 link_registers(struct link *link, struct monarch_vcpu_regs *ret, u32 max)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	const u8 *vmcb;

	kvm_for_each_vcpu(i, vcpu, link->kvm) {
		if (i >= max)
			break;
		memset(&ret[i], 0, sizeof(ret[i]));
		ret[i].vcpu_id = vcpu->vcpu_id;
		vmcb = vmcb_of(vcpu);
		/* Before its first run there is nothing of interest. */
		if (i < link->max_vcpus && link->vcpus[i].trusted)
			read_registers(vcpu, vmcb, &ret[i]);
	}
	return link_nr_vcpus(link);
}

int link_kick(struct link *link, u32 apic_id, u8 vector)
{
	struct kvm_vcpu *vcpu = kvm_get_vcpu_by_id(link->kvm, apic_id);

	if (!vcpu)
		return -ENOENT;
	if (!have_ipi || !vcpu->arch.apic)
		return -EOPNOTSUPP;
	/* To itself, by its own APIC: no destination to get wrong. */
	static_call(send_ipi)(vcpu->arch.apic,
			      APIC_DEST_SELF | APIC_INT_ASSERT | APIC_DM_FIXED |
			      vector, 0);
	return 0;
}
