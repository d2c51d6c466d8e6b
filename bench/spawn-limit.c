/*
 * What the machine can do at all: starts a program by posix_spawn(3) over and over, so many at a time, takes what it prints and reaps it.
 * No server, no request, no record. One process for each core, because a start holds up the one that asks for it.
 *
 * Called as: spawn-limit SECONDS IN_FLIGHT PROCESSES EXPECTED PROGRAM [ARGUMENT...]
 * Prints one line of JSON; fails when a program prints anything but EXPECTED or ends with another status than 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_RUNS (1 << 20)
#define MOST_OUTPUT 256

/* What one process has counted: times from the start of a program until it was reaped, in microseconds. */
struct tally {
  uint32_t count;
  uint32_t micros[MOST_RUNS];
};

struct run {
  pid_t pid;
  double started_at;
  int open_pipes;
  size_t length;
  char output[MOST_OUTPUT];
};

/* One end of a pipe of a run. */
struct pipe_end {
  struct run *run;
  int descriptor;
  int is_stdout;
};

static char **program;
static const char *expected;
static int nothing;
static int events;

static void fail(const char *what) {
  fprintf(stderr, "spawn-limit: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void watch(struct run *run, struct pipe_end *end, int descriptor, int is_stdout) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
  *end = (struct pipe_end){.run = run, .descriptor = descriptor, .is_stdout = is_stdout};
  if (epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

/* As a careful gateway does it: no stdin, two pipes, a process group and default signals of its own. */
static void start(struct run *run, struct pipe_end ends[2]) {
  extern char **environ;
  int out[2], err[2];
  sigset_t none, all;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  sigemptyset(&none);
  sigfillset(&all);
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) fail("pipe2");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, nothing, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);

  *run = (struct run){.started_at = now(), .open_pipes = 2};
  errno = posix_spawn(&run->pid, program[0], &actions, &attributes, program, environ);
  if (errno != 0) fail(program[0]);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  close(err[1]);
  watch(run, &ends[0], out[0], 1);
  watch(run, &ends[1], err[0], 0);
}

/* Whether the pipe has come to its end. */
static int drain(struct pipe_end *end) {
  char rest[4096];
  struct run *run = end->run;
  ssize_t length = read(end->descriptor, rest, sizeof rest);
  if (length < 0) fail("read");
  if (length > 0) {
    if (!end->is_stdout || run->length + (size_t)length > MOST_OUTPUT) fail("unexpected output");
    memcpy(run->output + run->length, rest, (size_t)length);
    run->length += (size_t)length;
    return 0;
  }
  epoll_ctl(events, EPOLL_CTL_DEL, end->descriptor, NULL);
  close(end->descriptor);
  return 1;
}

static void reap(struct run *run) {
  int status;
  if (waitpid(run->pid, &status, 0) != run->pid) fail("waitpid");
  if (status != 0 || run->length != strlen(expected) || memcmp(run->output, expected, run->length) != 0) {
    fprintf(stderr, "spawn-limit: a program did not do what it should: status %d, %zu bytes\n", status, run->length);
    exit(1);
  }
}

static void work(struct tally *tally, double seconds, int in_flight) {
  struct run *runs = calloc((size_t)in_flight, sizeof *runs);
  struct pipe_end *ends = calloc(2 * (size_t)in_flight, sizeof *ends);
  struct epoll_event ready[64];
  double end_at = now() + seconds;
  int alive = in_flight;

  if (runs == NULL || ends == NULL) fail("calloc");
  events = epoll_create1(EPOLL_CLOEXEC);
  nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (events < 0 || nothing < 0) fail("open");
  for (int index = 0; index < in_flight; index++) start(&runs[index], &ends[2 * index]);
  while (alive > 0) {
    int count = epoll_wait(events, ready, 64, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int index = 0; index < count; index++) {
      struct pipe_end *end = ready[index].data.ptr;
      struct run *run = end->run;
      if (!drain(end) || --run->open_pipes > 0) continue;
      reap(run);
      double ended_at = now();
      if (ended_at < end_at && tally->count < MOST_RUNS)
        tally->micros[tally->count++] = (uint32_t)((ended_at - run->started_at) * 1e6);
      if (ended_at < end_at) start(run, &ends[2 * (run - runs)]);
      else alive--;
    }
  }
  exit(0);
}

static int ascending(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return a < b ? -1 : a > b;
}

int main(int count, char **arguments) {
  if (count < 6) {
    fprintf(stderr, "usage: spawn-limit SECONDS IN_FLIGHT PROCESSES EXPECTED PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  double seconds = atof(arguments[1]);
  int in_flight = atoi(arguments[2]), processes = atoi(arguments[3]), failed = 0;
  expected = arguments[4];
  program = arguments + 5;
  if (processes > in_flight) processes = in_flight;
  struct tally *tallies = mmap(NULL, sizeof *tallies * (size_t)processes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (tallies == MAP_FAILED || chdir("/") != 0) fail("start");

  for (int index = 0; index < processes; index++) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) work(&tallies[index], seconds, in_flight / processes + (index < in_flight % processes));
  }
  for (int status; wait(&status) > 0;) failed |= status;
  if (failed != 0) return 1;

  uint32_t total = 0;
  for (int index = 0; index < processes; index++) total += tallies[index].count;
  uint32_t *micros = malloc(sizeof *micros * (total + 1));
  if (micros == NULL) fail("malloc");
  for (int index = 0, at = 0; index < processes; at += (int)tallies[index++].count)
    memcpy(micros + at, tallies[index].micros, sizeof *micros * tallies[index].count);
  qsort(micros, total, sizeof *micros, ascending);
  micros[total] = 0;

  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  printf("{\"requests\":%u,\"seconds\":%f,\"p50Ms\":%f,\"p99Ms\":%f,\"cpuMs\":%f}\n", total, seconds, micros[total / 2] / 1e3,
         micros[(uint32_t)(total * 0.99)] / 1e3, cpu);
  return 0;
}
