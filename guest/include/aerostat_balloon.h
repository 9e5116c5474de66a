/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * What Aerostat's balloon device and its driver share beyond the virtio standard.
 *
 * With AEROSTAT_BALLOON_F_SG negotiated, a buffer on the inflate or deflate queue is a chain of
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
 * that number to FREE_PAGE_HINT, so a driver may take it for scatter-gather only from a device with
 * the VendorID above that does not offer AEROSTAT_BALLOON_F_SG as well.
 */
#define AEROSTAT_BALLOON_F_SG_BIT3 3

#endif
