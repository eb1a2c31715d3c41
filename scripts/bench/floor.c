/* The floor: what it costs to read kernel files and do nothing with them.
 * floor SAMPLES INTERVAL_S PHASE_S [ROOT [FILE ...]]; the five basic files unless others are named. The caller takes the CPU
 * time from /proc. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *basic[] = {"diskstats", "net/dev", "vmstat", "meminfo", "loadavg"};
static char buffer[1 << 18];

int main(int argc, char **argv) {
    int fd[64], files = 0, samples = argc > 1 ? atoi(argv[1]) : 60;
    long interval_ns = (long)((argc > 2 ? atof(argv[2]) : 1.0) * 1e9);
    double phase_s = argc > 3 ? atof(argv[3]) : 0.0;
    const char **name = argc > 5 ? (const char **)argv + 5 : basic;
    int count = argc > 5 ? argc - 5 : 5;
    char path[4096];
    for (int i = 0; i < count && i < 64; i++) {
        snprintf(path, sizeof path, "%s/proc/%s", argc > 4 ? argv[4] : "", name[i]);
        if ((fd[files++] = open(path, O_RDONLY)) < 0) { perror(path); return 1; }
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 1;
    t.tv_nsec = (long)(phase_s * 1e9);
    for (int k = 0; k < samples; k++) {
        t.tv_nsec += interval_ns;
        while (t.tv_nsec >= 1000000000L) { t.tv_nsec -= 1000000000L; t.tv_sec++; }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        for (int i = 0; i < files; i++) {
            long at = 0, n;
            /* a seq_file hands out at most a page at a time; one that stopped well before that is at its end */
            while ((n = pread(fd[i], buffer + at, sizeof buffer - at, at)) > 0 && (at += n) % 4096 > 3584) {}
        }
    }
    return 0;
}
