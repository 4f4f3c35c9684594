/* A freestanding program with what compilers describe in different ways: it runs for ever over the same work. */
#ifdef __x86_64__
#define WORD 8
#else
#define WORD 4
#endif
#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

typedef unsigned int u32;
typedef unsigned long long u64;
enum colour { RED, GREEN = 5, BLUE = 1000 };
enum sign { MINUS = -1, ZERO, PLUS };
struct point { int x, y; };
struct flags { unsigned low : 3; int middle : 7; unsigned long long high : 40; _Bool set : 1; };
union either { long word; unsigned char bytes[sizeof(long)]; struct point point; };
struct shape {
    const char *name;
    enum colour colour;
    struct point corners[4];
    union { int radius; short sides[2]; };
    struct flags flags;
    struct shape *next;
    int (*area)(struct shape *self, int scale);
};
struct pair { long first, second; };

static volatile long sink;
int counter = 7;
static long history[8];
struct shape shapes[3];
const char text[] = "some\ttext";

static long use(long value) NOINLINE;
static long use(long value) { sink += value; return sink; }

static int area(struct shape *self, int scale) NOINLINE;
static int area(struct shape *self, int scale)
{
    struct point sum = { 0, 0 };
    for (int i = 0; i < 4; i++) {
        const struct point *corner = &self->corners[i];
        sum.x += corner->x * scale;
        sum.y += corner->y;
    }
    use(sum.x);
    return sum.x * 3 + sum.y + self->radius;
}

INLINE int clamp(int value, int low, int high)
{
    int result = value;
    if (result < low)
        result = low;
    if (result > high)
        result = high;
    return result;
}

INLINE long mixed(long start, unsigned short count)
{
    long total = start;
    for (unsigned short i = 0; i < count; i++) {
        long square = (long)i * i;
        total += clamp((int)square, 3, 40);
        use(total);
    }
    return total;
}

static struct pair swap(struct pair pair) NOINLINE;
static struct pair swap(struct pair pair)
{
    struct pair other = { pair.second, pair.first };
    use(other.first);
    return other;
}

static u64 recursive(u32 depth, u64 seed) NOINLINE;
static u64 recursive(u32 depth, u64 seed)
{
    u64 own = seed * 2654435761u + depth;
    if (!depth)
        return own;
    u64 deeper = recursive(depth - 1, own ^ depth);
    use((long)own);
    return deeper + own;
}

static long many(int a, long b, short c, char d, int e, long f, int g, long h, struct point p) NOINLINE;
static long many(int a, long b, short c, char d, int e, long f, int g, long h, struct point p)
{
    long total = a + b + c + d;
    use(total);
    total += e + f + g + h + p.x;
    use(total);
    return total * p.y;
}

#ifdef FLOATS
static double curve(double x, float slope) NOINLINE;
static double curve(double x, float slope)
{
    double square = x * x;
    float half = slope / 2;
    use((long)square);
    return square * half + x;
}
#endif

static int lengths(int count) NOINLINE;
static int lengths(int count)
{
    int values[count];
    for (int i = 0; i < count; i++)
        values[i] = i * count;
    use(values[count - 1]);
    return values[count / 2];
}

static long shadow(long value) NOINLINE;
static long shadow(long value)
{
    long kept = value + 1;
    {
        long value = kept * 2;
        use(value);
        kept += value;
    }
    return kept + value;
}

static int unused(int spent, int live) NOINLINE;
static int unused(int spent, int live)
{
    int gone = spent * 3;
    use(live);
    (void)gone;
    return live + 1;
}

static void work(int round) NOINLINE;
static void work(int round)
{
    static int rounds;
    struct flags flags = { round & 7, -round % 50, 0x123456789aull + round, round & 1 };
    union either either = { .word = round * 0x01020304l };
    enum colour colour = round & 1 ? GREEN : BLUE;
    enum sign sign = round & 2 ? MINUS : PLUS;
    char label[12] = "label";
    struct shape *shape = &shapes[round % 3];
    shape->name = text;
    shape->colour = colour;
    shape->radius = round;
    shape->flags = flags;
    shape->next = &shapes[(round + 1) % 3];
    shape->area = area;
    for (int i = 0; i < 4; i++)
        shape->corners[i] = (struct point){ i * round, -i };
    rounds++;
    label[5] = '0' + round % 10;
    use(label[5]);
    history[round & 7] = shape->area(shape, 2);
    history[(round + 1) & 7] = mixed(round, 4);
    struct pair pair = swap((struct pair){ round, rounds });
    use(pair.first + either.bytes[1] + sign);
    recursive(3, round);
    many(round, 2, 3, 4, 5, 6, 7, 8, (struct point){ 9, round });
#ifdef FLOATS
    sink += (long)curve(round * 0.5, round + 0.25f);
#endif
    lengths(3 + round % 4);
    shadow(round);
    counter += unused(round, counter);
}

void start(void)
{
    for (int round = 1;; round++)
        work(round);
}

#ifdef LINUX
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall start\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %cr4, %rax\n\tor $0x600, %rax\n\tmov %rax, %cr4\n"
        "\tmov %cr0, %rax\n\tand $~4, %rax\n\tor $2, %rax\n\tmov %rax, %cr0\n"
        "\tlea stack_end(%rip), %rsp\n\txor %ebp, %ebp\n\tcall start\n"
        ".bss\n.balign 16\n.skip 16384\nstack_end:\n.text\n");
#else
__asm__(".globl _start\n_start:\n\tmov $stack_end, %esp\n\txor %ebp, %ebp\n\tcall start\n"
        ".bss\n.balign 16\n.skip 16384\nstack_end:\n.text\n");
#endif

void *memcpy(void *to, const void *from, unsigned long count)
{
    char *out = to;
    const char *in = from;
    while (count--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, unsigned long count)
{
    char *out = to;
    while (count--)
        *out++ = (char)value;
    return to;
}
