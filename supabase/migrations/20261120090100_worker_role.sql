-- The role the Worker connects as. It reads the registry and redeems an access code, and nothing else.
-- Its password is no part of the schema: set it with `alter role kiloclaw_worker password '…'`.

do $$
declare
  worker pg_roles%rowtype;
begin
  select * into worker from pg_roles where rolname = 'kiloclaw_worker';
  if not found then
    create role kiloclaw_worker with
      login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
  elsif worker.rolsuper or worker.rolcreatedb or worker.rolcreaterole or worker.rolreplication
    or worker.rolbypassrls or exists (select from pg_auth_members where member = worker.oid) then
    raise exception 'the role kiloclaw_worker exists and may do more than the Worker needs'
      using hint = 'Take its attributes and memberships away, or drop it, and migrate again.';
  end if;
end
$$;

-- A query of the Worker takes a few milliseconds; what takes seconds is stuck and holds a pooled connection. The Worker
-- itself gives up after four seconds: a redemption that goes on after that would use up a code for nobody.
alter role kiloclaw_worker set statement_timeout = '3s';
alter role kiloclaw_worker set lock_timeout = '1s';
alter role kiloclaw_worker set idle_in_transaction_session_timeout = '10s';
-- Without pg_temp named last, a temporary table would shadow the registry for the life of a pooled connection.
alter role kiloclaw_worker set search_path = public, pg_temp;

do $$
begin
  execute format('grant connect on database %I to kiloclaw_worker', current_database());
  -- Since Postgres 15 nobody creates objects in public by default; a database that was upgraded may still allow it.
  if has_schema_privilege('kiloclaw_worker', 'public', 'create') then
    revoke create on schema public from public;
  end if;
end
$$;
grant usage on schema public to kiloclaw_worker;

-- Supabase grants new tables of public to its API roles by default; this registry is none of theirs.
revoke all on public.kilocode_users, public.kiloclaw_instances, public.kiloclaw_access_codes from public;
do $$
declare
  api_role name;
begin
  for api_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
    execute format(
      'revoke all on public.kilocode_users, public.kiloclaw_instances, public.kiloclaw_access_codes from %I',
      api_role
    );
  end loop;
end
$$;

grant select (id, api_token_pepper) on public.kilocode_users to kiloclaw_worker;
grant select (user_id, sandbox_id, created_at, destroyed_at) on public.kiloclaw_instances to kiloclaw_worker;
grant select (code, kilo_user_id, status, expires_at) on public.kiloclaw_access_codes to kiloclaw_worker;
grant update (status, redeemed_at) on public.kiloclaw_access_codes to kiloclaw_worker;

alter table public.kilocode_users enable row level security;
alter table public.kilocode_users force row level security;
alter table public.kiloclaw_instances enable row level security;
alter table public.kiloclaw_instances force row level security;
alter table public.kiloclaw_access_codes enable row level security;
alter table public.kiloclaw_access_codes force row level security;

-- Forced row-level security binds the owner too, unless it may bypass it as Supabase's postgres does.
-- The owner is whom the Next.js app writes as.
create policy owner_everything on public.kilocode_users to current_user using (true) with check (true);
create policy owner_everything on public.kiloclaw_instances to current_user using (true) with check (true);
create policy owner_everything on public.kiloclaw_access_codes to current_user using (true) with check (true);

create policy worker_reads_users on public.kilocode_users
  for select to kiloclaw_worker using (true);

create policy worker_reads_active_instances on public.kiloclaw_instances
  for select to kiloclaw_worker using (destroyed_at is null);

-- An update may only leave a row that its own select policy shows: hence the code redeemed in this transaction.
create policy worker_reads_valid_codes on public.kiloclaw_access_codes
  for select to kiloclaw_worker
  using ((status = 'active' and expires_at > now()) or redeemed_at = now());

create policy worker_redeems_codes on public.kiloclaw_access_codes
  for update to kiloclaw_worker
  using (status = 'active' and expires_at > now())
  with check (status = 'redeemed' and redeemed_at = now());
