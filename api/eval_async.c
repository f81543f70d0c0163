/* SPDX-License-Identifier: Apache-2.0
 * Evaluation by a thread of the engine's own, one task after the other. The calls that a task will compute are pending:
 * an evaluation that comes upon one waits for the next task to be done and looks again. The worker itself never waits.
 * Tasks hold their arrays but not the engine, so the engine never dies on the worker; when the last context goes,
 * nobody can read any more, and the tasks are dropped. A forked child has no worker and starts its own. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"

typedef struct Task {
    struct Task *next;
    NodeList list;
    size_t call_count;
    Call *call[]; /* of those arrays */
} Task;

/* Everything is under the engine's mutex. */
struct Worker {
    Engine *engine;
    pthread_t thread;
    pid_t process;
    pthread_cond_t asked, done;
    Task *first, *last; /* not begun */
    bool running, ends;
};

static bool is_here(const Worker *worker)
{
    return worker != NULL && worker->process == getpid();
}

bool worker_waits(const Engine *engine)
{
    return is_here(engine->worker) && !pthread_equal(engine->worker->thread, pthread_self());
}

void worker_wait(Engine *engine)
{
    pthread_cond_wait(&engine->worker->done, &engine->mutex);
}

/* Under the mutex. */
static void add_pending(const Task *task, int32_t change)
{
    for (size_t i = 0; i < task->call_count; i++)
        task->call[i]->pending += (uint32_t)change;
}

/* Without the mutex. */
static void task_destroy(Task *task)
{
    for (size_t i = 0; i < task->call_count; i++)
        call_release(task->call[i]);
    node_list_release(&task->list);
    free(task);
}

/* Under the mutex. Arrays that are computed already need nobody. */
static Task *task_new(ArrayNode *const *node, size_t count)
{
    Task *task = calloc(1, sizeof *task + count * sizeof *task->call);
    if (task == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        ArrayNode *made = node[i];
        while (atomic_load(&made->buffer) == NULL && made->value != NULL)
            made = made->value;
        if (atomic_load(&made->buffer) != NULL || made->call == NULL || !node_list_add(&task->list, made))
            continue;
        atomic_fetch_add(&made->call->refs, 1);
        task->call[task->call_count++] = made->call;
    }
    add_pending(task, 1);
    return task;
}

static Task *take_task(Worker *worker)
{
    Task *task = worker->first;
    worker->first = task->next;
    if (worker->first == NULL)
        worker->last = NULL;
    return task;
}

/* Readers go on once it is computed; nobody is told that the worker rests before it has let go of everything. */
static void compute(Worker *worker, Task *task)
{
    Engine *engine = worker->engine;
    worker->running = true;
    pthread_mutex_unlock(&engine->mutex);
    evaluation_error_free(
        engine_evaluate(engine, task->list.node, task->list.count)); /* whoever reads fails the same way */
    pthread_mutex_lock(&engine->mutex);
    add_pending(task, -1);
    pthread_cond_broadcast(&worker->done);
    pthread_mutex_unlock(&engine->mutex);
    task_destroy(task);
    pthread_mutex_lock(&engine->mutex);
    worker->running = false;
    pthread_cond_broadcast(&worker->done);
}

static void *work(void *argument)
{
    Worker *worker = argument;
    pthread_mutex_t *mutex = &worker->engine->mutex;
    pthread_mutex_lock(mutex);
    for (;;) {
        while (worker->first == NULL && !worker->ends)
            pthread_cond_wait(&worker->asked, mutex);
        if (worker->first == NULL)
            break;
        compute(worker, take_task(worker));
    }
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* ---- from other threads ---- */

static void destroy_tasks(Task *task)
{
    while (task != NULL) {
        Task *next = task->next;
        task_destroy(task);
        task = next;
    }
}

/* Under the mutex: takes all that haven't begun. */
static Task *drop_tasks(Worker *worker)
{
    Task *dropped = worker->first;
    for (const Task *task = dropped; task != NULL; task = task->next)
        add_pending(task, -1);
    worker->first = worker->last = NULL;
    return dropped;
}

/* Signals are for the program's own threads. */
static bool start_thread(Worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static Worker *worker_new(Engine *engine)
{
    Worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->engine = engine;
    worker->process = getpid();
    pthread_cond_init(&worker->asked, NULL);
    pthread_cond_init(&worker->done, NULL);
    if (start_thread(worker))
        return worker;
    pthread_cond_destroy(&worker->asked);
    pthread_cond_destroy(&worker->done);
    free(worker);
    return NULL;
}

/* Under the mutex. What the parent's worker was to do is left to whoever reads. */
static Task *leave_parent(Engine *engine)
{
    Task *dropped = drop_tasks(engine->worker);
    free(engine->worker); /* its conditions have waiters that this process hasn't */
    engine->worker = NULL;
    return dropped;
}

bool worker_ask(Engine *engine, ArrayNode *const *node, size_t count)
{
    Task *dropped = NULL;
    pthread_mutex_lock(&engine->mutex);
    if (engine->worker != NULL && !is_here(engine->worker))
        dropped = leave_parent(engine);
    if (engine->worker == NULL)
        engine->worker = worker_new(engine);
    Worker *worker = engine->worker;
    Task *task = worker == NULL ? NULL : task_new(node, count);
    if (task != NULL) {
        *(worker->last == NULL ? &worker->first : &worker->last->next) = task;
        worker->last = task;
        pthread_cond_signal(&worker->asked);
    }
    pthread_mutex_unlock(&engine->mutex);
    destroy_tasks(dropped);
    return task != NULL;
}

void worker_drain(Engine *engine)
{
    Task *dropped = NULL;
    pthread_mutex_lock(&engine->mutex);
    if (engine->worker != NULL)
        dropped = drop_tasks(engine->worker);
    while (worker_waits(engine) && engine->worker->running)
        worker_wait(engine);
    pthread_mutex_unlock(&engine->mutex);
    destroy_tasks(dropped);
}

void worker_destroy(Worker *worker)
{
    if (worker == NULL)
        return;
    if (is_here(worker)) {
        pthread_mutex_lock(&worker->engine->mutex);
        worker->ends = true;
        pthread_cond_signal(&worker->asked);
        pthread_mutex_unlock(&worker->engine->mutex);
        pthread_join(worker->thread, NULL);
        pthread_cond_destroy(&worker->asked);
        pthread_cond_destroy(&worker->done);
    }
    free(worker);
}
