// SPDX-License-Identifier: MIT
#pragma once

// Stands for the header of redis-plus-plus, as errors.h does.

namespace sw::redis {

enum class UpdateType { EXIST, NOT_EXIST, ALWAYS };
enum class InsertPosition { BEFORE, AFTER };
enum class ListWhence { LEFT, RIGHT };
enum class XtrimStrategy { MAXLEN, MINID };
enum class BoundType { CLOSED, OPEN, LEFT_OPEN, RIGHT_OPEN };
struct LimitOptions {
    long long offset = 0;
    long long count = -1;
};

}  // namespace sw::redis
