#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Makes configure and its kin from configure.ac and Makefile.am.
set -e
cd "$(dirname "$0")"
exec autoreconf -fi
