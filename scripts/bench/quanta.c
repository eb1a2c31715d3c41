/* The same work over and over on every CPU: how long each quantum took.
 * quanta SECONDS QUANTUM_US [CPU ...]; prints "cpu quanta p50_ns p99_ns p99.9_ns max_ns delay_ns cpu_ns" for every CPU;
 * delay is how long the thread waited on a run queue (schedstat). The work is calibrated once, on the first CPU, while
 * nothing else of ours runs, or taken from $QUANTA_WORK, so that all runs do the same. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double seconds;
static long work;
struct thread { pthread_t id; int cpu; long count, room; unsigned *took; long delay, ran; };

static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static void quantum(long n) { for (volatile long i = 0; i < n; i++) {} }
static int rising(const void *a, const void *b) { unsigned x = *(unsigned *)a, y = *(unsigned *)b; return x < y ? -1 : x > y; }

static void schedstat(long *ran, long *delay) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%ld %ld", ran, delay) != 2) *ran = *delay = 0;
    if (f) fclose(f);
}

static void *run(void *arg) {
    struct thread *t = arg;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(t->cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    long ran, delay, end = now() + (long)(seconds * 1e9), last = now();
    schedstat(&ran, &delay);
    while (last < end && t->count < t->room) {
        quantum(work);
        long at = now();
        t->took[t->count++] = at - last;
        last = at;
    }
    schedstat(&t->ran, &t->delay);
    t->ran -= ran;
    t->delay -= delay;
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    seconds = atof(argv[1]);
    double us = atof(argv[2]);
    work = getenv("QUANTA_WORK") ? atol(getenv("QUANTA_WORK")) : 0;
    for (int i = 0; !work && i < 1; i++) {
        long best = 1L << 60;
        for (int k = 0; k < 200; k++) { long a = now(); quantum(100000); long d = now() - a; if (d < best) best = d; }
        work = (long)(us * 1000 / best * 100000);
    }
    printf("work %ld\n", work);
    int n = argc > 3 ? argc - 3 : (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct thread *threads = calloc(n, sizeof *threads);
    for (int i = 0; i < n; i++) {
        threads[i].cpu = argc > 3 ? atoi(argv[3 + i]) : i;
        threads[i].room = (long)(seconds * 1e6 / us * 2) + 1000;
        threads[i].took = malloc(threads[i].room * sizeof(unsigned));
        memset(threads[i].took, 0, threads[i].room * sizeof(unsigned));
    }
    for (int i = 0; i < n; i++) pthread_create(&threads[i].id, NULL, run, &threads[i]);
    for (int i = 0; i < n; i++) {
        struct thread *t = &threads[i];
        pthread_join(t->id, NULL);
        qsort(t->took, t->count, sizeof(unsigned), rising);
        unsigned *v = t->took;
        long c = t->count;
        printf("%d %ld %u %u %u %u %ld %ld\n", t->cpu, c, v[c / 2], v[c * 99 / 100], v[c * 999 / 1000], v[c - 1], t->delay, t->ran);
    }
    return 0;
}
