/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and configuration space, written and read as no driver would. */
#include "tests/kvm/payload/pl_lie.h"

#define FEATURES (PL_F_VERSION_1 | PL_F_SG)
#define QUEUES   2u

#define CONFIG_BYTES 16u
#define ACTUAL       (PL_CONFIG + 4)
#define POISON       (PL_CONFIG + 12)

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void write_at(uint32_t offset, uint32_t width, uint64_t value)
{
    uint64_t at = PL_WINDOW + offset;
    switch (width) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)at = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)at = value;
        break;
    }
}

static uint64_t read_at(uint32_t offset, uint32_t width)
{
    uint64_t at = PL_WINDOW + offset;
    switch (width) {
    case 1:
        return *(volatile uint8_t *)at;
    case 2:
        return *(volatile uint16_t *)at;
    case 4:
        return *(volatile uint32_t *)at;
    default:
        return *(volatile uint64_t *)at;
    }
}

static void notify(void)
{
    static const uint32_t values[] = {2, 4, 5, 7, 8, 0x10000, 0x10001, 1u << 31, UINT32_MAX};
    for (unsigned int i = 0; i < LEN(values); i++)
        pl_reg_write(PL_Q_NOTIFY, values[i]);
    lie_end("notify-of-queues-that-do-not-exist");

    for (int i = 0; i < 2000; i++)
        pl_reg_write(PL_Q_NOTIFY, (uint32_t)i % QUEUES);
    lie_end("notify-2000-times-for-nothing");

    pl_handshake(FEATURES);
    pl_reg_write(PL_Q_NOTIFY, 0);
    pl_reg_write(PL_Q_NOTIFY, 1);
    lie_end_restarted("notify-before-the-queues-are-ready");
}

static void reconfigure(void)
{
    static const struct {
        const char *name;
        uint32_t offset;
        uint32_t value;
    } writes[] = {
        {"queue-size-after-driver-ok", PL_Q_NUM, 8},
        {"queue-size-1024-after-driver-ok", PL_Q_NUM, 1024},
        {"queue-ready-0-after-driver-ok", PL_Q_READY, 0},
        {"descriptors-moved-after-driver-ok", PL_Q_DESC, LIE_AREA},
        {"descriptors-moved-up-after-driver-ok", PL_Q_DESC + 4, UINT32_MAX},
        {"available-ring-moved-after-driver-ok", PL_Q_DRIVER, LIE_AREA},
        {"available-ring-moved-up-after-driver-ok", PL_Q_DRIVER + 4, UINT32_MAX},
        {"used-ring-moved-after-driver-ok", PL_Q_DEVICE, LIE_AREA},
        {"used-ring-moved-up-after-driver-ok", PL_Q_DEVICE + 4, UINT32_MAX},
        {"features-changed-after-driver-ok", PL_DRV_FEAT, 0},
    };
    for (unsigned int i = 0; i < LEN(writes); i++) {
        for (uint32_t q = 0; q < QUEUES; q++) {
            pl_reg_write(PL_Q_SEL, q);
            pl_reg_write(writes[i].offset, writes[i].value);
        }
        lie_end(writes[i].name);
    }

    /* Between FEATURES_OK and DRIVER_OK: sizes that no queue has, and queues that do not exist. */
    static const uint32_t sizes[] = {0, 3, 1000, 2048, 0x10040, UINT32_MAX};
    pl_handshake(FEATURES);
    pl_reg_write(PL_Q_SEL, 0);
    for (unsigned int i = 0; i < LEN(sizes); i++)
        pl_reg_write(PL_Q_NUM, sizes[i]);
    lie_end_restarted("queue-sizes-that-are-none");

    static const uint32_t queues[] = {QUEUES, 7, 8, 0x10000, UINT32_MAX};
    pl_handshake(FEATURES);
    for (unsigned int i = 0; i < LEN(queues); i++) {
        pl_reg_write(PL_Q_SEL, queues[i]);
        pl_require(pl_reg_read(PL_Q_MAX) == 0, "a queue that does not exist has a size");
        pl_reg_write(PL_Q_NUM, PL_RING);
        pl_reg_write(PL_Q_READY, 1);
        pl_require(pl_reg_read(PL_Q_READY) == 0, "a queue that does not exist is ready");
    }
    lie_end_restarted("queues-that-do-not-exist-set-up");

    pl_handshake(FEATURES);
    pl_driver_ok();
    lie_end_restarted("driver-ok-without-queues");
}

static void status_steps(void)
{
    static const uint32_t steps[] = {
        PL_S_DRIVER_OK, PL_S_FEATURES_OK,           PL_S_DRIVER, PL_S_NEEDS_RESET, 0x10,
        0x20,           PL_S_RUNNING ^ PL_S_DRIVER, 0x100,       UINT32_MAX};
    for (unsigned int i = 0; i < LEN(steps); i++)
        pl_reg_write(PL_STATUS, steps[i]);
    pl_require(pl_reg_read(PL_STATUS) == PL_S_RUNNING, "an illegal step changed the status");
    lie_end("status-steps-back-and-aside");

    pl_reg_write(PL_STATUS, 0);
    pl_reg_write(PL_STATUS, PL_S_RUNNING);
    pl_require(pl_reg_read(PL_STATUS) == 0, "DRIVER_OK without a handshake");
    lie_end_restarted("driver-ok-at-once");

    pl_reg_write(PL_STATUS, 0);
    pl_reg_write(PL_STATUS, PL_S_ACKNOWLEDGE | PL_S_DRIVER);
    for (uint32_t sel = 0; sel < 4; sel++) {
        pl_reg_write(PL_DRV_SEL, sel);
        pl_reg_write(PL_DRV_FEAT, UINT32_MAX);
    }
    pl_reg_write(PL_STATUS, PL_S_ACKNOWLEDGE | PL_S_DRIVER | PL_S_FEATURES_OK);
    pl_require((pl_reg_read(PL_STATUS) & PL_S_FEATURES_OK) == 0, "every feature was accepted");
    lie_end_restarted("every-feature-at-once");
}

/* Every offset below the configuration space, by every width that is not a register's. */
static void register_widths(void)
{
    static const uint32_t widths[] = {1, 2, 8};
    for (unsigned int w = 0; w < LEN(widths); w++) {
        for (uint32_t offset = 0; offset + widths[w] <= PL_CONFIG; offset += widths[w]) {
            write_at(offset, widths[w], UINT64_MAX);
            pl_require(read_at(offset, widths[w]) == 0, "a register of a wrong width has a value");
        }
    }
    lie_end("registers-of-wrong-widths");

    for (uint32_t offset = 1; offset + 4 <= PL_CONFIG; offset += 4) {
        write_at(offset, 4, UINT64_MAX);
        pl_require(read_at(offset, 4) == 0, "a misaligned register has a value");
    }
    lie_end("registers-misaligned");

    for (uint32_t offset = 0x200; offset < PL_PAGE; offset += 0x3c)
        write_at(offset, 4, UINT64_MAX);
    lie_end("the-window-behind-the-registers");
}

static void config_widths(void)
{
    for (uint32_t width = 1; width <= 8; width *= 2) {
        for (uint32_t offset = 0; offset < 2 * CONFIG_BYTES; offset++) {
            write_at(PL_CONFIG + offset, width, UINT64_MAX);
            uint64_t value = read_at(PL_CONFIG + offset, width);
            pl_require(offset + width <= CONFIG_BYTES || value == 0,
                       "there is something behind the configuration");
        }
    }
    pl_require(read_at(PL_CONFIG, 4) == 0, "the driver changed num_pages");
    pl_require(read_at(PL_CONFIG + 8, 4) == 0, "the driver changed the command");
    pl_require(read_at(ACTUAL, 4) == UINT32_MAX, "actual is not what was written");
    lie_end("config-writes-of-every-width-and-offset");

    static const uint64_t ends[] = {PL_PAGE - 1, PL_PAGE - 2, PL_PAGE - 4, PL_PAGE - 8};
    for (unsigned int i = 0; i < LEN(ends); i++) {
        write_at((uint32_t)ends[i], 1u << i, UINT64_MAX);
        pl_require(read_at((uint32_t)ends[i], 1u << i) == 0, "the end of the window has a value");
    }
    lie_end("config-writes-at-the-end-of-the-window");
}

static void actual(void)
{
    static const struct {
        const char *name;
        uint32_t pages;
    } values[] = {
        {"actual-all-ones", UINT32_MAX},
        {"actual-bit-31", UINT32_C(1) << 31},
        {"actual-a-page-more-than-ram", (uint32_t)(128 * PL_MIB / PL_PAGE) + 1},
        {"actual-below-the-target", 0},
    };
    for (unsigned int i = 0; i < LEN(values); i++) {
        pl_reg_write(ACTUAL, values[i].pages);
        lie_end(values[i].name);
    }
    for (uint32_t i = 0; i < 2000; i++)
        pl_reg_write(ACTUAL, i * 0x9e3779b9u);
    pl_reg_write(ACTUAL, 0);
    lie_end("actual-written-2000-times");

    pl_reg_write(POISON, 0xaaaaaaaa);
    lie_end("poison-after-driver-ok");
}

static void resets(void)
{
    for (int i = 0; i < 3000; i++)
        pl_reg_write(PL_STATUS, 0);
    lie_end_restarted("3000-resets");

    for (int i = 0; i < 200; i++)
        lie_restart();
    lie_end("200-starts");

    /* Non-adjacent pages, so that there is work to interrupt. */
    for (int i = 0; i < 50; i++) {
        pl_chain(&lie_q[LIE_INFLATE], 0, PL_RING - 1, LIE_AREA, PL_PAGE, 2 * PL_PAGE);
        for (int n = 0; n < (int)PL_RING; n++)
            pl_publish(&lie_q[LIE_INFLATE], 0);
        pl_kick(&lie_q[LIE_INFLATE]);
        lie_restart();
    }
    lie_end("50-resets-while-inflating");
}

void payload_main(void)
{
    lie_start(FEATURES, QUEUES);
    lie_honest("start");
    pl_checkpoint("start");
    notify();
    reconfigure();
    status_steps();
    register_widths();
    config_widths();
    actual();
    resets();
    pl_puts("done\n");
}
