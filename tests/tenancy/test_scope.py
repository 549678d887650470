from worlds import *
import asyncio, json, asyncpg, sys
from gateway.tenancy.session import open_session
from gateway.intake.run import import_users, Mode
from gateway.intake.sources import FileSource
from gateway.audit.models import AuditEvent
from sqlalchemy import select, text, func
import gateway.tenancy.session as ses
async def test_x(market, server, tmp_path):
    w=market
    async def raw(body):
        try:
            r=await w.client.post("/graphql",content=body,headers={"Authorization":f"Bearer {ALPHA.key.text}","Content-Type":"application/json"})
            print(r.status_code,r.text[:300])
        except BaseException as e: print("EXC",type(e),str(e)[:200])
    await raw(json.dumps({"query":'query($s:String){users(filter:{search:$s}){totalCount}}',"variables":{"s":"\ud800"}}))
    await raw(json.dumps({"query":'query($s:[String!]){users(vendors:$s){totalCount}}',"variables":{"s":["\ud800"]}}))
    await raw(json.dumps({"query":'query($s:String!){vendor(code:$s){name}}',"variables":{"s":"\ud800"}}))
    await raw(json.dumps({"query":'{users(filter:{search:"\ud800"}){totalCount}}'}))
    await raw(json.dumps({"query":'{users(filter:{startFrom:"\ud800"}){totalCount}}'}))
    await raw('{"query":"query($s:ID!){node(id:$s){id}}","variables":{"s":"\\ud800"}}')
    print((await w.ask(ALPHA,'{users(filter:{search:"szse.everyone"}){nodes{o:otherServices{userId}} edges{node{o:otherServices{userName}}}}}')).text[:300])
    print((await w.ask(ALPHA,'{monthlyStats(from:"2024-01",to:"2024-01"){nodes{product{name} users(category:FULL_PRICE){totalCount}} edges{node{users(category:REGULATORY){totalCount}}}}}')).text)
    # audit leak
    url=(await w.answer(SZSE,'{users{download{url}}}'))["users"]["download"]["url"]
    r=await w.client.get(url); print("rows", r.text.count("\n"))
    for who in (ALPHA,SZSE):
        async with open_session(w.house.service, await w.scope(who)) as s:
            T=AuditEvent.table()
            for row in await s.rows(select(T.c.actor,T.c.action,T.c.detail).where(s.scope.covers(T))): print(who.code,row)
    # import rights
    p=tmp_path/"x.txt"; p.write_text("u||n||个人||全价用户||20240101||0||%s||Web||a||b||c\n"%ENHANCED)
    for who in (SZSE,):
      try:
        print(await import_users(w.house.service, await w.scope(who),"VENDDELTA",FileSource(p),Mode.DELTA,report=print,dry_run=True))
      except Exception as e: print(type(e),e)
    # search path
    c=await asyncpg.connect(server.url("gateway_service", w.admin.split("/")[-1].split("?")[0]) if False else w.house.settings.database_url)
    await c.execute("""CREATE TEMP TABLE api_keys(prefix text, digest bytea, vendor_id int, licensor_id int, role text, expires_at timestamptz, revoked_at timestamptz);
      INSERT INTO api_keys VALUES ('forged00','x',%d,null,'VENDOR_ADMINISTRATOR',null,null); GRANT SELECT ON api_keys TO PUBLIC""" % NUMBER["VENDBETA"])
    try: print(await c.fetchval("SELECT gateway_authenticate('x'::bytea)"))
    except Exception as e: print(type(e),e)
    await c.close()
    # catalogs
    c=await asyncpg.connect(w.house.settings.database_url)
    for q in ("select * from api_keys","select * from pg_stats where tablename='service_records'","select reltuples from pg_class where relname='service_records'","update audit_events set actor='x'","delete from audit_events","select * from pg_authid","truncate audit_events","create table x(a int)","select count(*) from licensors","select count(*) from alembic_version", "copy service_records to stdout","select gateway_market()","select gateway_reauthenticate('betabeta')","select lo_import('/etc/passwd')","create role x","set role gateway_operator","set role gateway_owner","select * from pg_stat_statements","set session authorization gateway_owner"):
        try: print(q, await c.fetch(q))
        except Exception as e: print(q,"->",type(e).__name__,e)
    await c.close()
    # cancel
    async with opened(server,tmp_path,pool_size=1) as v:
        await settle(v)
        scope=await v.scope(ALPHA)
        old=ses._local
        for where in ("begin",):
            ses._local=lambda a,s: old(a,s)+"; SELECT pg_sleep(3)"
            async def use():
                async with open_session(v.house.service,scope) as s: pass
            t=asyncio.create_task(use()); await asyncio.sleep(0.5); t.cancel()
            try: await t
            except asyncio.CancelledError: print("cancelled")
            ses._local=old
            for i in range(3):
                try:
                    async with v.house.service.connect() as c:
                        print((await c.execute(text("select current_setting('gateway.vendors',true), count(*) from service_records"))).all())
                except Exception as e: print(type(e),str(e)[:200])
                print((await v.ask(ALPHA,"{users{totalCount}}")).text)
