// Runs kernels: blocks of lanes over threads, and a way out when a signal arrives.
//
// A *kernel* is a function of the signature below. A *job* is one call of a kernel; its blocks of lanes are taken one
// after the other by whoever works on it. There are two ways to run a job:
//
//   join   the caller works too, with helpers from a pool. No thread has to wake up before work begins, and when the
//          helpers are slow to come, the caller has done it all. This is what a call costs least.
//   watch  threads of the pool do the work, the caller waits in slices and can do other things in between.
//
// Python runs its signal handlers only in the main thread and only between two bytecodes: not while that thread is in
// here. So while the main thread joins, `SignalGuard` stands in front of Python's own handler: it sets `stop`, which
// kernels poll, and then lets Python note the signal. The kernel returns, and Python does the rest.

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct genmlx_control {
    int32_t stop;
    int32_t error;
    int64_t progress;
};

typedef int32_t (*Kernel)(const void* const* inputs, void* const* outputs, char* workspace, int64_t lane_begin,
                          int64_t lane_end, volatile genmlx_control* control);

enum Status { DONE = 0, STOPPED = 1, FAILED = 2, NO_MEMORY = 3, NO_THREAD = 4 };  // the largest of all blocks counts

// ---- workspace: one for each thread, kept for its next kernel -------------------------------------------------------

static const size_t ALIGNMENT = 64;
static const size_t KEPT = size_t(64) << 20;  // a thread does not hold on to more than this between two kernels

struct Workspace {
    char* data;
    size_t bytes;
};

static pthread_key_t workspace_key;

static void free_workspace(void* held) {
    free(static_cast<Workspace*>(held)->data);
    free(held);
}

// At least `bytes` bytes, not initialised; null if there is no memory.
static char* workspace_of_this_thread(size_t bytes) {
    Workspace* own = static_cast<Workspace*>(pthread_getspecific(workspace_key));
    if (!own) {
        own = static_cast<Workspace*>(calloc(1, sizeof(Workspace)));
        if (!own || pthread_setspecific(workspace_key, own)) return nullptr;
    }
    if (own->bytes < bytes || !own->data) {
        free(own->data);
        own->bytes = (bytes / ALIGNMENT + 1) * ALIGNMENT;
        void* data = nullptr;
        if (posix_memalign(&data, ALIGNMENT, own->bytes)) data = nullptr;
        own->data = static_cast<char*>(data);
        if (!data) own->bytes = 0;
    }
    return own->data;
}

static void trim_workspace() {
    Workspace* own = static_cast<Workspace*>(pthread_getspecific(workspace_key));
    if (own && own->bytes > KEPT) {
        free(own->data);
        *own = Workspace{nullptr, 0};
    }
}

// ---- jobs -----------------------------------------------------------------------------------------------------------

struct Call {  // what is the same for all calls of a kernel
    Kernel kernel;
    int64_t workspace_bytes, lanes, block;
};

struct Job {
    const Call* call;
    const void* const* inputs;
    void* const* outputs;
    volatile genmlx_control* control;
    int64_t next;    // atomic: the first lane that nobody has taken
    int32_t status;  // atomic: the largest so far
    int seats;       // under the pool's lock: helpers that may still come
    int working;     // under the pool's lock: helpers that are at it
    Job* after;      // under the pool's lock: the next job that wants helpers
};

static void record(Job* job, int32_t status) {
    int32_t old = __atomic_load_n(&job->status, __ATOMIC_RELAXED);
    while (old < status &&
           !__atomic_compare_exchange_n(&job->status, &old, status, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    if (status != DONE) __atomic_store_n(&job->control->stop, 1, __ATOMIC_RELAXED);  // the others need not go on
}

static void work_on(Job* job) {
    const Call* call = job->call;
    char* workspace = workspace_of_this_thread(size_t(call->workspace_bytes));
    if (!workspace) return record(job, NO_MEMORY);
    for (;;) {
        int64_t begin = __atomic_fetch_add(&job->next, call->block, __ATOMIC_RELAXED);
        if (begin >= call->lanes) break;
        int64_t end = call->lanes - begin < call->block ? call->lanes : begin + call->block;
        int32_t status = STOPPED;
        if (!__atomic_load_n(&job->control->stop, __ATOMIC_RELAXED))
            status = call->kernel(job->inputs, job->outputs, workspace, begin, end, job->control);
        if (status != DONE) {
            record(job, status);
            break;
        }
    }
    trim_workspace();
}

// ---- signals --------------------------------------------------------------------------------------------------------

// By these a user, a shell, a test runner or a clock asks a program to do something else.
static const int SIGNALS[] = {SIGINT, SIGTERM, SIGALRM, SIGHUP};
static const int SIGNAL_COUNT = sizeof(SIGNALS) / sizeof(SIGNALS[0]);
static struct sigaction handlers[SIGNAL_COUNT];  // those in force before the guard
static volatile genmlx_control* volatile guarded;

static void on_signal(int number, siginfo_t* information, void* context) {
    volatile genmlx_control* control = guarded;
    if (control) control->stop = 1;
    for (int i = 0; i < SIGNAL_COUNT; ++i) {
        if (SIGNALS[i] != number) continue;
        if (handlers[i].sa_flags & SA_SIGINFO) handlers[i].sa_sigaction(number, information, context);
        else handlers[i].sa_handler(number);
    }
}

static bool replaced[SIGNAL_COUNT];

static void put_handlers_back() {
    for (int i = 0; i < SIGNAL_COUNT; ++i) {
        if (replaced[i]) sigaction(SIGNALS[i], &handlers[i], nullptr);
        replaced[i] = false;
    }
    guarded = nullptr;
}

struct SignalGuard {  // in the main thread only, so there is at most one
    bool active;
    SignalGuard(bool active, volatile genmlx_control* control) : active(active) {
        if (!active) return;
        guarded = control;
        for (int i = 0; i < SIGNAL_COUNT; ++i) {
            sigaction(SIGNALS[i], nullptr, &handlers[i]);
            bool calls = (handlers[i].sa_flags & SA_SIGINFO) ||
                         (handlers[i].sa_handler != SIG_DFL && handlers[i].sa_handler != SIG_IGN);
            if (!calls) continue;  // the system acts at once, or nobody listens
            struct sigaction ours = handlers[i];
            ours.sa_flags |= SA_SIGINFO;
            ours.sa_sigaction = on_signal;
            replaced[i] = sigaction(SIGNALS[i], &ours, nullptr) == 0;
        }
    }
    ~SignalGuard() {
        if (active) put_handlers_back();
    }
};

// ---- the pool -------------------------------------------------------------------------------------------------------

struct Pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted, finished;
    Job *first, *last;  // jobs with free seats
    int threads;        // started
    int demand;         // seats and working helpers of all jobs: there are as many threads, so no job waits for another
};

// Never freed: threads may be in it when the process ends.
static Pool* pool;

static void new_pool() {
    pool = static_cast<Pool*>(calloc(1, sizeof(Pool)));
    if (!pool) abort();
    pthread_mutex_init(&pool->lock, nullptr);
    pthread_cond_init(&pool->wanted, nullptr);
    pthread_cond_init(&pool->finished, nullptr);
}

// A child of fork has one thread only, the one that forked: not those of the pool, and perhaps not the guarded one.
static void in_child() {
    put_handlers_back();
    new_pool();
}

__attribute__((constructor)) static void initialise() {
    pthread_key_create(&workspace_key, free_workspace);
    new_pool();
    pthread_atfork(nullptr, nullptr, in_child);
}

static void* helper(void*) {
    Pool* home = pool;
    pthread_mutex_lock(&home->lock);
    for (;;) {
        while (!home->first) pthread_cond_wait(&home->wanted, &home->lock);
        Job* job = home->first;
        if (--job->seats == 0) {
            home->first = job->after;
            if (!home->first) home->last = nullptr;
        }
        ++job->working;
        pthread_mutex_unlock(&home->lock);
        work_on(job);
        pthread_mutex_lock(&home->lock);
        --home->demand;
        if (--job->working == 0) pthread_cond_broadcast(&home->finished);  // from here on the job may be gone
    }
}

static bool start_thread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, size_t(8) << 20);  // macOS gives 512 kB: kernels keep small arrays there
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals go to Python's threads
    pthread_t thread;
    bool started = pthread_create(&thread, &attributes, helper, nullptr) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    return started;
}

// Ask for helpers. Returns how many may come.
static int enlist(Job* job, int helpers) {
    if (helpers <= 0) return 0;
    pthread_mutex_lock(&pool->lock);
    while (pool->threads < pool->demand + helpers && start_thread()) ++pool->threads;
    if (pool->threads < helpers) helpers = pool->threads;
    if (helpers > 0) {
        job->seats = helpers;
        pool->demand += helpers;
        if (pool->last) pool->last->after = job; else pool->first = job;
        pool->last = job;
        pthread_cond_broadcast(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return helpers;
}

// Nobody comes any more. Under the pool's lock.
static void withdraw(Job* job) {
    if (job->seats == 0) return;
    pool->demand -= job->seats;
    job->seats = 0;
    Job* before = nullptr;
    for (Job* other = pool->first; other; before = other, other = other->after) {
        if (other != job) continue;
        if (before) before->after = job->after; else pool->first = job->after;
        if (pool->last == job) pool->last = before;
        return;
    }
}

// Nobody works on it, and nobody needs to come. Under the pool's lock.
static bool is_over(Job* job) {
    bool all_taken = __atomic_load_n(&job->next, __ATOMIC_RELAXED) >= job->call->lanes;
    return job->working == 0 && (all_taken || __atomic_load_n(&job->status, __ATOMIC_RELAXED) != DONE);
}

// ---- what Python calls ----------------------------------------------------------------------------------------------

extern "C" {

// Run a kernel in this thread and in up to threads - 1 others. `main_thread`: stop when a signal arrives.
int32_t genmlx_join(const Call* call, const void* const* inputs, void* const* outputs, genmlx_control* control,
                    int32_t threads, int32_t main_thread) {
    SignalGuard guard(main_thread, control);
    Job job = {call, inputs, outputs, control, 0, DONE, 0, 0, nullptr};
    int helpers = enlist(&job, threads - 1);
    work_on(&job);
    if (helpers > 0) {
        pthread_mutex_lock(&pool->lock);
        withdraw(&job);
        while (job.working > 0) pthread_cond_wait(&pool->finished, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
    return job.status;
}

// Have a kernel run by `threads` threads of the pool. The job is null where there is no thread, or no memory, for it.
void genmlx_start(Job** result, const Call* call, const void* const* inputs, void* const* outputs,
                  genmlx_control* control, int32_t threads) {
    Job* job = static_cast<Job*>(calloc(1, sizeof(Job)));
    if (!job) return;
    *job = Job{call, inputs, outputs, control, 0, DONE, 0, 0, nullptr};
    if (enlist(job, threads) > 0) *result = job;
    else free(job);
}

// Wait until a job is over, at most so long; whether it is.
int32_t genmlx_wait(Job* job, int64_t nanoseconds) {
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec + nanoseconds) / 1000000000;
    until.tv_nsec = (until.tv_nsec + nanoseconds) % 1000000000;
    pthread_mutex_lock(&pool->lock);
    while (!is_over(job) && pthread_cond_timedwait(&pool->finished, &pool->lock, &until) != ETIMEDOUT) {}
    bool over = is_over(job);
    pthread_mutex_unlock(&pool->lock);
    return over;
}

// Stop a job if it is not over, wait for its threads, and free it. Returns its status.
int32_t genmlx_finish(Job* job) {
    pthread_mutex_lock(&pool->lock);
    withdraw(job);
    if (!is_over(job)) {
        record(job, STOPPED);
        while (job->working > 0) pthread_cond_wait(&pool->finished, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    int32_t status = job->status;
    free(job);
    return status;
}

}  // extern "C"
