/* SPDX-License-Identifier: Apache-2.0 */
/* Bad input to `aerostat run`, and signals: one clear line, a non-zero status, and nothing left
 * behind. */
#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/kvm/kvm_main.h"

#define PAYLOAD    PAYLOAD_DIR "/payload_sg"
#define NOBODY     65534
#define DEADLINE_S 30

/* The working folder of one test; relative names in the tables are files in it. */
static char dir[64];
static bool as_nobody; /* run the monitor without privileges */

static void write_file(const char *name, const void *data, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static void sparse_file(const char *name, off_t len)
{
    write_file(name, "", 0);
    ck_assert_int_eq(truncate(name, len), 0);
}

/* Copies of the payload: cut short, and one that asks for more memory than there is. */
static void write_kernels(void)
{
    static unsigned char elf[262144];
    int fd = open(PAYLOAD, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t len = read(fd, elf, sizeof(elf));
    close(fd);
    ck_assert_int_gt(len, (ssize_t)sizeof(Elf64_Ehdr));
    write_file("cut-header", elf, 20);
    Elf64_Ehdr ehdr;
    memcpy(&ehdr, elf, sizeof(ehdr));
    Elf64_Phdr phdr;
    memcpy(&phdr, elf + ehdr.e_phoff, sizeof(phdr));
    write_file("cut-body", elf, phdr.p_offset + phdr.p_filesz / 2);
    phdr.p_memsz = UINT64_C(1) << 30;
    memcpy(elf + ehdr.e_phoff, &phdr, sizeof(phdr));
    write_file("huge", elf, (size_t)len);
}

static void listen_on(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0); /* stays open until the test's process ends */
}

static void setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/aerostat-bad-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(chdir(dir), 0);
    write_kernels();
    write_text("empty", "");
    write_text(
        "text",
        "this is no kernel at all, but long enough to hold any header that might be looked for");
    sparse_file("initrd-256m", 256 << 20);
    write_text("initrd", "some initrd");
    write_text("broken.json", "{\n  \"machine-config\": {\n    \"vcpu_count\": 2,,\n");
    write_text("unknown.json",
               "{\"boot-source\": {\"kernel_image_path\": \"text\", \"colour\": 1}}");
    write_text("duplicate.json", "{\"boot-source\": {}, \"boot-source\": {}}");
    write_text("type.json",
               "{\"machine-config\": {\"vcpu_count\": \"two\", \"mem_size_mib\": 128}}");
    write_text("drives.json", "{\"drives\": [{\"drive_id\": \"root\"}]}");
    listen_on("busy.sock");
}

static void teardown(void)
{
    char command[128];
    ck_assert_int_eq(chdir("/"), 0);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* Starts the monitor with words of args (split at blanks, '@' stands for a long text), its standard
 * error in a file. */
static pid_t start_monitor(const char *args, const char *long_text)
{
    char words[512];
    const char *argv[32] = {AEROSTAT_MONITOR, "run"};
    size_t n = 2;
    (void)snprintf(words, sizeof(words), "%s", args);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[n++] = strcmp(word, "@") == 0 ? long_text : word;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int fd = open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        (void)dup2(fd, STDERR_FILENO);
        (void)dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
        (void)alarm(DEADLINE_S);
        /* By descriptor: nobody may not be allowed to walk to where this was built. */
        int monitor = open(AEROSTAT_MONITOR, O_RDONLY | O_CLOEXEC);
        if (as_nobody && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(126);
        (void)fexecve(monitor, (char *const *)argv, environ);
        _exit(126);
    }
    return pid;
}

/* Runs it to its end and fills output with standard error. */
static int run_monitor(const char *args, const char *long_text, char *output, size_t size)
{
    pid_t pid = start_monitor(args, long_text);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    int fd = open("stderr", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, output, size - 1);
    close(fd);
    ck_assert_int_ge(got, 0);
    output[got] = '\0';
    return status;
}

static void expect_refusal(const char *args, const char *long_text, const char *says)
{
    char output[4096];
    int status = run_monitor(args, long_text, output, sizeof(output));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 126,
                  "%s: status 0x%x, output %s", args, status, output);
    ck_assert_msg(strstr(output, says) != NULL, "%s: '%s' is not in: %s", args, says, output);
    const char *end = strchr(output, '\n');
    ck_assert_msg(end != NULL && end[1] == '\0', "%s: not one line: %s", args, output);
    ck_assert_msg(access("new.sock", F_OK) != 0, "%s: leaves a socket", args);
}

#define GOOD "--kernel " PAYLOAD " --api-sock new.sock "

static const struct {
    const char *args;
    const char *says;
} refusals[] = {
    {"--api-sock new.sock", "kernel"},
    {"--kernel missing --api-sock new.sock", "missing: cannot open"},
    {"--kernel /tmp --api-sock new.sock", "/tmp"},
    {"--kernel empty --api-sock new.sock", "empty"},
    {"--kernel text --api-sock new.sock", "text: not a"},
    {"--kernel cut-header --api-sock new.sock", "cut-header"},
    {"--kernel cut-body --api-sock new.sock", "cut-body"},
    {"--kernel huge --api-sock new.sock", "huge"},
    {GOOD "--initrd missing", "missing: cannot open"},
    {GOOD "--initrd empty", "empty"},
    {GOOD "--initrd initrd-256m", "initrd-256m"},
    {GOOD "--mem 0", "16"},
    {GOOD "--mem 7M", "16"},
    {GOOD "--mem 20481K", "20481K"},
    {GOOD "--mem 4194304G", "physical address bits"},
    {GOOD "--mem 1.5G", "1.5G"},
    {GOOD "--mem -1G", "-1G"},
    {GOOD "--cpus 0", "0"},
    {GOOD "--cpus 33", "32"},
    {GOOD "--cpus two", "two"},
    {GOOD "--cmdline @", "2047"},
    {GOOD "--balloon 128M --mem 128M", "128"},
    {GOOD "--balloon 1G --mem 128M", "1024"},
    {"--kernel @ --api-sock new.sock", "xxx: cannot open the kernel: File name too long"},
    {"--config @ --api-sock new.sock", "xxx: cannot be opened: File name too long"},
    {GOOD "--kernel " PAYLOAD, "--kernel is given twice"},
    {GOOD "--must-tell-host off", "--must-tell-host needs a balloon"},
    {GOOD "--frobnicate", "frobnicate"},
    {GOOD "stray", "stray"},
    {"--config missing.json --api-sock new.sock", "missing.json: cannot be opened"},
    {"--config broken.json --api-sock new.sock", "broken.json:3:"},
    {"--config unknown.json --api-sock new.sock", "boot-source.colour"},
    {"--config duplicate.json --api-sock new.sock", "boot-source"},
    {"--config type.json --api-sock new.sock", "machine-config.vcpu_count"},
    {"--config drives.json --api-sock new.sock", "drives"},
    {"--kernel " PAYLOAD " --api-sock busy.sock", "busy.sock"},
    {"--kernel " PAYLOAD " --api-sock text", "text"},
    {"--kernel " PAYLOAD " --api-sock @", "107"},
    {"--kernel " PAYLOAD " --api-sock no-such-folder/x.sock", "no-such-folder"},
};

START_TEST(bad_input_gets_one_clear_line_and_leaves_nothing)
{
    char long_text[2101];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    expect_refusal(refusals[_i].args, long_text, refusals[_i].says);
    struct stat busy, text;
    ck_assert_int_eq(stat("busy.sock", &busy), 0);
    ck_assert(S_ISSOCK(busy.st_mode));
    ck_assert_int_eq(stat("text", &text), 0);
    ck_assert(S_ISREG(text.st_mode));
}
END_TEST

START_TEST(a_host_without_kvm_is_told_what_to_do)
{
    /* Hiding the device needs root, and a root folder that is a mount, as it is not below
     * chroot(1). */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        perror("not tested here");
        return;
    }
    ck_assert_int_eq(mount("/dev/null", "/dev/kvm", NULL, MS_BIND, NULL), 0);
    expect_refusal(GOOD, NULL, "/dev/kvm is not a KVM device");
}
END_TEST

START_TEST(a_user_without_the_permission_is_told_what_to_do)
{
    struct stat st;
    if (geteuid() != 0 || stat("/dev/kvm", &st) != 0 || (st.st_mode & 0006) != 0) {
        (void)fprintf(stderr, "not tested here: /dev/kvm is open to all, or this is not root\n");
        return;
    }
    as_nobody = true;
    expect_refusal("--kernel " PAYLOAD, NULL, "/dev/kvm: permission denied");
}
END_TEST

static const int deadly[] = {SIGTERM, SIGINT,  SIGHUP,    SIGQUIT, SIGUSR1,
                             SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF};

START_TEST(a_signal_ends_the_machine_in_order)
{
    int status = 0;
    pid_t pid = start_monitor(GOOD "--balloon 0", NULL);
    for (int i = 0; i < 1000 && access("new.sock", F_OK) != 0; i++)
        usleep(10000);
    ck_assert_int_eq(kill(pid, deadly[_i]), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 128 + deadly[_i],
                  "signal %d: status 0x%x", deadly[_i], status);
    ck_assert_int_ne(access("new.sock", F_OK), 0);
}
END_TEST

static Suite *bad_input_suite(void)
{
    Suite *suite = suite_create("bad input");
    TCase *tc = tcase_create("bad input");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, bad_input_gets_one_clear_line_and_leaves_nothing, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_loop_test(tc, a_signal_ends_the_machine_in_order, 0,
                        sizeof(deadly) / sizeof(deadly[0]));
    tcase_add_test(tc, a_host_without_kvm_is_told_what_to_do);
    tcase_add_test(tc, a_user_without_the_permission_is_told_what_to_do);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(bad_input_suite);
}
