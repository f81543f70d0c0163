/* SPDX-License-Identifier: Apache-2.0
 * The team: worker threads that take part in one call's work at a time. One word for each worker says what it does:
 *
 *     IDLE ── caller ──► ASSIGNED ── worker ──► RUNNING ── worker ──► IDLE        SLEEPING: idle, in futex wait
 *
 * The caller assigns work, does its own share, then takes back what no worker has begun (ASSIGNED → IDLE): a worker
 * that is slow to wake up costs nothing. It waits only for workers that are RUNNING. Workers spin for a short while
 * before they sleep.
 *
 * One call at a time owns the team; others see it busy and do without. A forked child has none of the workers: a page
 * that the system wipes on fork tells (or the process id, where the system can't do that), and the child starts over.
 * When the library is unloaded, the workers end. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runtime/runtime.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORKER_IDLE, WORKER_ASSIGNED, WORKER_RUNNING, WORKER_SLEEPING, WORKER_EXIT };

#ifdef __OPTIMIZE__
enum { WORKER_STACK = 256 * 1024 }; /* kernels use at most 64 KiB */
#else
enum { WORKER_STACK = 2048 * 1024 }; /* every temporary of emitted C has a place of its own then */
#endif
enum {
    MAX_WORKERS = 127,
    SPIN_STEPS = 3000 /* about 30 to 100 µs */
};

typedef struct Worker {
    _Alignas(64) _Atomic uint32_t state;
    void (*task)(void *argument); /* set by the caller before ASSIGNED */
    void *argument;
    pthread_t thread;
} Worker;

typedef struct Team {
    _Atomic(_Atomic uint32_t *) mark; /* a page of one word, see below; NULL before the first use */
    _Atomic uint32_t no_mark;         /* stands in for it where pages can't be wiped on fork */
    _Atomic int64_t process;          /* then: whose workers these are; negative while a child starts over */
    _Atomic uint32_t busy;            /* 1: a call owns what follows */
    uint32_t worker_count;
    uint32_t spin;
    Worker worker[MAX_WORKERS];
} Team;

static Team team;

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- workers ---- */

static bool has_news(uint32_t state)
{
    return state == WORKER_ASSIGNED || state == WORKER_EXIT;
}

static bool spin_for_news(Worker *worker)
{
    for (uint32_t i = 0; i < team.spin; i++) {
        if (has_news(atomic_load_explicit(&worker->state, memory_order_acquire)))
            return true;
        pause_briefly();
    }
    return false;
}

static void wait_for_news(Worker *worker)
{
    while (!spin_for_news(worker)) {
        uint32_t idle = WORKER_IDLE;
        if (!atomic_compare_exchange_strong(&worker->state, &idle, WORKER_SLEEPING))
            continue;
        while (atomic_load(&worker->state) == WORKER_SLEEPING)
            futex_wait(&worker->state, WORKER_SLEEPING);
    }
}

static void *worker_main(void *argument)
{
    Worker *worker = argument;
    for (;;) {
        wait_for_news(worker);
        uint32_t assigned = WORKER_ASSIGNED;
        if (atomic_compare_exchange_strong(&worker->state, &assigned, WORKER_RUNNING)) {
            worker->task(worker->argument);
            atomic_store_explicit(&worker->state, WORKER_IDLE, memory_order_release);
        } else if (assigned == WORKER_EXIT) {
            return NULL;
        }
    }
}

/* ---- owning the team ---- */

static bool team_take(void)
{
    return atomic_load_explicit(&team.busy, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&team.busy, 1, memory_order_acquire) == 0;
}

static void team_give(void)
{
    atomic_store_explicit(&team.busy, 0, memory_order_release);
}

static void forget_workers(void)
{
    for (uint32_t i = 0; i < team.worker_count; i++)
        atomic_store(&team.worker[i].state, WORKER_IDLE);
    team.worker_count = 0;
    atomic_store(&team.busy, 0);
}

/* ---- forked children ---- */

enum { MARK_WIPED, MARK_STARTING, MARK_OURS }; /* WIPED: nobody in this process has used the team yet */

static _Atomic uint32_t *new_mark(void)
{
    enum { BYTES = 4096 };
    void *page = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return &team.no_mark;
    if (madvise(page, BYTES, MADV_WIPEONFORK) == 0)
        return page;
    (void)munmap(page, BYTES);
    return &team.no_mark;
}

static _Atomic uint32_t *find_mark(void)
{
    _Atomic uint32_t *mark = atomic_load_explicit(&team.mark, memory_order_acquire);
    if (mark)
        return mark;
    _Atomic uint32_t *made = new_mark();
    return atomic_compare_exchange_strong(&team.mark, &mark, made) ? made : mark; /* a page too many is lost, once */
}

static void start_over_by_mark(_Atomic uint32_t *mark)
{
    uint32_t state = MARK_WIPED;
    if (atomic_compare_exchange_strong(mark, &state, MARK_STARTING)) {
        forget_workers();
        atomic_store(mark, MARK_OURS);
    }
    while (atomic_load(mark) != MARK_OURS)
        pause_briefly(); /* another thread of this process is at it */
}

static void start_over_by_process(void)
{
    const int64_t process = getpid();
    int64_t known = atomic_load_explicit(&team.process, memory_order_acquire);
    while (known != process) {
        if (known == -process) {
            pause_briefly();
            known = atomic_load(&team.process);
        } else if (atomic_compare_exchange_strong(&team.process, &known, -process)) {
            forget_workers();
            atomic_store_explicit(&team.process, process, memory_order_release);
            return;
        }
    }
}

/* In a forked child, forgets the parent's workers. */
static void enter_process(void)
{
    _Atomic uint32_t *mark = find_mark();
    if (mark == &team.no_mark)
        start_over_by_process();
    else if (atomic_load_explicit(mark, memory_order_acquire) != MARK_OURS)
        start_over_by_mark(mark);
}

/* ---- starting workers ---- */

static uint32_t spin_steps(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < 2 ? 1 : SPIN_STEPS;
}

static bool start_worker(Worker *worker)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, WORKER_STACK);
    const bool started = pthread_create(&worker->thread, &attributes, worker_main, worker) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

/* With the team taken. Workers get no signals: those belong to the program. */
static void start_workers(uint32_t count)
{
    if (team.worker_count >= count)
        return;
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (team.worker_count == 0)
        team.spin = spin_steps(); /* before any worker reads it */
    while (team.worker_count < count && start_worker(&team.worker[team.worker_count]))
        team.worker_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static uint32_t workers_for(int32_t threads)
{
    return threads - 1 > MAX_WORKERS ? MAX_WORKERS : threads > 1 ? (uint32_t)threads - 1 : 0;
}

ADZE_RUNTIME void adze_team_start(int32_t threads)
{
    enter_process();
    if (!team_take())
        return;
    start_workers(workers_for(threads));
    team_give();
}

/* ---- running ---- */

static void assign(Worker *worker, void (*task)(void *), void *argument)
{
    worker->task = task;
    worker->argument = argument;
    if (atomic_exchange(&worker->state, WORKER_ASSIGNED) == WORKER_SLEEPING)
        futex_wake(&worker->state);
}

static void take_back_or_wait(Worker *worker)
{
    uint32_t state = WORKER_ASSIGNED;
    if (atomic_compare_exchange_strong(&worker->state, &state, WORKER_IDLE))
        return;
    for (uint32_t i = 0; atomic_load_explicit(&worker->state, memory_order_acquire) == WORKER_RUNNING; i++) {
        if (i < team.spin)
            pause_briefly();
        else
            (void)sched_yield();
    }
}

ADZE_RUNTIME bool adze_team_run(void (*task)(void *), void *argument, int32_t threads)
{
    enter_process();
    if (!team_take())
        return false;
    start_workers(workers_for(threads));
    const uint32_t wanted = workers_for(threads);
    const uint32_t count = wanted < team.worker_count ? wanted : team.worker_count;
    for (uint32_t i = 0; i < count; i++)
        assign(&team.worker[i], task, argument);
    task(argument);
    for (uint32_t i = 0; i < count; i++)
        take_back_or_wait(&team.worker[i]);
    team_give();
    return true;
}

/* ---- unloading ---- */

static void stop_worker(Worker *worker)
{
    if (atomic_exchange(&worker->state, WORKER_EXIT) == WORKER_SLEEPING)
        futex_wake(&worker->state);
    (void)pthread_join(worker->thread, NULL);
}

static bool has_workers_here(void)
{
    _Atomic uint32_t *mark = atomic_load(&team.mark);
    if (!mark)
        return false;
    return mark == &team.no_mark ? atomic_load(&team.process) == getpid() : atomic_load(mark) == MARK_OURS;
}

/* Runs at dlclose and at exit. A call that is still going on then keeps the team, and the process is ending anyway. */
__attribute__((destructor)) static void team_stop(void)
{
    if (!has_workers_here() || !team_take())
        return;
    for (uint32_t i = 0; i < team.worker_count; i++)
        stop_worker(&team.worker[i]);
    team.worker_count = 0;
}
