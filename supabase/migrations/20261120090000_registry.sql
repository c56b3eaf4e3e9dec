-- The registry: who exists, who has an instance, and the codes that let a person in.
-- The Next.js app is the only writer; the Worker reads, and redeems codes (see the next migration).

create table public.kilocode_users (
  id text primary key check (id <> ''),
  -- Part of every session token; a new value ends all sessions of the user.
  api_token_pepper text
);

create table public.kiloclaw_instances (
  id uuid primary key default gen_random_uuid(),
  -- A user with an instance cannot be deleted: the machine behind it would be forgotten, and go on costing.
  user_id text not null references public.kilocode_users (id),
  -- Also the name of the machine at Fly, hence its alphabet and length.
  sandbox_id text not null check (sandbox_id ~ '^[A-Za-z0-9_-]{1,63}$'),
  created_at timestamptz not null default now(),
  destroyed_at timestamptz
);

create unique index kiloclaw_instances_one_active_per_user
  on public.kiloclaw_instances (user_id) where destroyed_at is null;
create unique index kiloclaw_instances_active_sandbox_id
  on public.kiloclaw_instances (sandbox_id) where destroyed_at is null;
create index kiloclaw_instances_user_id on public.kiloclaw_instances (user_id);

create table public.kiloclaw_access_codes (
  id uuid primary key default gen_random_uuid(),
  -- Dashes and white space are for the reader's eye and do not count, so a code is more than these.
  code text not null check (char_length(code) <= 128 and code ~ '[^[:space:]-]'),
  kilo_user_id text not null references public.kilocode_users (id) on delete cascade,
  status text not null default 'active' check (status in ('active', 'redeemed', 'expired')),
  expires_at timestamptz not null,
  redeemed_at timestamptz,
  constraint kiloclaw_access_codes_redeemed_at_iff_redeemed
    check ((status = 'redeemed') = (redeemed_at is not null))
);

create unique index kiloclaw_access_codes_one_active_per_user
  on public.kiloclaw_access_codes (kilo_user_id) where status = 'active';
create index kiloclaw_access_codes_kilo_user_id on public.kiloclaw_access_codes (kilo_user_id);
