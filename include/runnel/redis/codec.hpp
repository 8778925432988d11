// SPDX-License-Identifier: MIT
#pragma once

// Redis' protocol, without any input or output: replies and commands to bytes, and back.

#include <runnel/redis/command_decoder.hpp>
#include <runnel/redis/encode.hpp>
#include <runnel/redis/reply_decoder.hpp>
#include <runnel/redis/wire_bytes.hpp>
