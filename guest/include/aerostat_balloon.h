/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * What Aerostat's balloon device and its driver share beyond the virtio standard.
 *
 * With scatter-gather negotiated, a buffer on the inflate or deflate queue is a chain of
 * descriptors each of which IS a range of guest memory: addr is its guest-physical address, len its
 * length in bytes, both multiples of 4096. The descriptors carry no payload, their direction does
 * not matter, and the device returns the chain with length 0.
 */
#ifndef AEROSTAT_BALLOON_WIRE_H
#define AEROSTAT_BALLOON_WIRE_H

/* VendorID of Aerostat's virtio-mmio devices: "AERO" read as a little-endian word. */
#define AEROSTAT_VIRTIO_VENDOR_ID 0x4f524541

/* Scatter-gather chains: a private bit, in the range virtio 1.2 leaves to device types (50-127). */
#define AEROSTAT_BALLOON_F_SG 63

/*
 * The same feature at the number it had in the Linux series of 2017. The standard has since given
 * that number to FREE_PAGE_HINT, and this device can offer that as well, with or without
 * AEROSTAT_BALLOON_F_SG beside it; so neither the VendorID nor the absence of the private bit tells
 * a driver which of the two is meant.
 */
#define AEROSTAT_BALLOON_F_SG_BIT3 3

/*
 * Tells it: offered together with bit 3 exactly when bit 3 is scatter-gather. A driver takes bit 3
 * for that only from a device that has the VendorID above and offers this bit too; else bit 3 is
 * FREE_PAGE_HINT. A driver made for the series does not know this bit, and need not accept it.
 */
#define AEROSTAT_BALLOON_F_SG_ON_BIT3 62

#endif
