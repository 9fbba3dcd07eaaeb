"""What people type for rap beats, soul and funk. See `engine.training.phrasebook` for the columns."""

from __future__ import annotations

from engine.training.phrasebook.table import Said

BEATS: dict[str, Said] = {
    "trap": Said(
        names="""trap beat; trap music; drill; uk drill; ny drill; chicago drill; atlanta rap; melodic trap; cloud rap;
            mumble rap; plugg; rage; phonk; dark trap; latin trap; trap soul; crunk; dirty south; bounce; 808
            music; type beat; hard rap beat; modern hip hop; rap instrumental 2018; emo rap; hybrid trap; festival
            trap; future bass-like trap; trapp; southern hip hop; gangsta trap; memphis rap; hip hop 2020; detroit
            type beat; trap instrumental; beat trap; rap français moderne; deutschrap; trap latino; horrorcore""",
        heard="""booming 808s; an 808 that slides; rolling hi-hats; hi-hat triplets; snare rolls; a dark bell melody; a
            pitched-down piano; sub bass that rattles; claps at half time; orchestral stabs over 808s; a flute
            loop with 808s; a spooky music box over heavy bass; stuttering hats; a gliding bass; eerie pads with
            hard drums; distorted 808 bass; cowbell melody; a plucked guitar loop and 808s; a snare on the third
            beat; a sinister synth lead; long sub kicks; machine-gun hats; minor-key keys with heavy low end; hats
            in thirty-seconds; hats that stutter; a rumbling low note that bends; a chilling choir loop with hard
            claps; a harp loop and a giant sub; a lonely bell line; a clap so hard and a bass so low; ticking hats
            and siren leads; a reversed piano with 808; a violin loop over booming bass; snappy snares with long
            sub""",
        scenes="""a rapper in the studio; a mixtape; a drive-by scene; a gang film; a flashy car video; a street
            basketball clip; a hype trailer; a diss track; Atlanta at night; a strip club; a boxing entrance; a
            lit party; a mosh pit at a rap show; a designer sneaker ad; a GTA-like game; a hood documentary; south
            London estate; a TikTok rap challenge; weightlifting; flexing on social media; a trap house; counting
            money; a horror rap video; a rap battle today; a rapper counting money; a sneaker drop; a crime show
            set in Atlanta; a street race in a supercar; a fight promo; a mixtape intro; a villain in a hoodie; a
            club where rappers spray champagne; a boxing training clip; a freestyle on a phone; basketball
            highlights; a dark alley with a crew in masks""",
        whole="""modern rap beat with huge bass; dark and hard, 808s and hats; beat for a rapper, menacing; slow
            half-time beat with fast hi-hats; something gangster; today's hip hop, not old school; hard-hitting
            140 bpm beat; shake the trunk; subwoofer test; cold and minimal with sub bass; eerie and aggressive
            rap instrumental; something I can mumble over; bouncy beat with hats that roll; dark beat for drill
            rap; bass boosted; un beat de rap sombre avec une grosse 808; un beat de trap oscuro; harter Rap-Beat
            mit 808; sounds like the rap charts now; evil melody, massive kick; I rap in triplets, give me a beat;
            threatening and slow with quick hats; low end that rattles windows; ice-cold rap beat; trunk-shaking
            instrumental for a young rapper; rap of today, gloomy; moody melody, giant kick, rolling cymbals; a
            beat that sounds rich and dangerous; sad melodic rap backing; bass drops and bells; street rap, cold
            winter; heavy bass music for rap, 2020s; dark loops with 808s for bars about the block""",
        hints="""808; hi hats; drip; hustle; gang; opps; hood; ski mask; chains; designer; lambo; savage; turn up; dark
            bells; sub bass; flexing; plug; slatt; no cap; street anthem; drop the bass for rappers; rattling;
            bass in the chest; modern rap; a spooky choir and hats; half-time bounce; pitched vocals and 808;
            low-riding bass; trunk rattler; gloomy rap; minor bells; robbery; night prowl; villain rapper; a hard
            knock; snare rolls that speed up; flute rap beat; guitar rap beat, sad and modern; bouncing 808
            pattern; piano and booming sub; subs distort; drill slides; sinister strings with 808; cold rap; hype
            before a fight; viral rap hit; dark and slow with fast hats; melodic rap instrumental""",
        abroad="""rap moderne; basse qui tape; rap de calle; rap aus der Straße; Bass der die Wände wackeln lässt; trap
            oscuro; base rap cattiva; rap argentino; beat sale; musica da gangster; bas qui fait trembler; mocny
            bas; straßenrap; rap sombre; perreo lento con 808""",
    ),
    "boom bap": Said(
        names="""boombap; boom-bap; golden age hip hop; old school rap; old skool hip hop; east coast rap; ny hip hop;
            90s rap; jazz rap; conscious rap beat; underground hip hop; sample-based hip hop; classic hip hop;
            real hip hop; native tongues; turntablism; hip-hop; hip hop; rap; breakdance music; b-boy breaks;
            hardcore rap nineties; rap beat; mpc beat; sampled beat; backpack rap; west coast old school; g-funk;
            early hip hop; hiphop instrumental; rap old school; rap us années 90; oldschool hip hop; bum bap;
            jazzy hip hop; hip hop des années 90; street rap; hip hop clásico""",
        heard="""chopped jazz samples; a dusty drum break; a hard snare; scratches; punchy kick and snare; a looped
            piano sample; an upright bass loop with hard drums; horn stabs; vinyl dust and hard drums; swung
            sixteenth hats; a sampled soul phrase; mpc drums; filtered bassline; a crunchy twelve-bit sampler; a
            flute sample loop; turntable cuts; a gritty break at 90 bpm; a vibraphone sample; a snappy rimshot
            snare; looped strings from an old record; boom on one, bap on two; a funky drummer break; lo-res
            sampled horns; muddy bass and cracking snare; a crackly loop with a fat kick; cut-up trumpet phrase;
            drums sampled from an old funk record; a moody piano sample, looped; a bass sample and a hard break; a
            scratch solo; a filtered sax loop with a hard snare; stabs from a soul record; an old gospel sample
            chopped""",
        scenes="""a rap battle; New York in 1994; a Brooklyn stoop; the Bronx; a subway train with graffiti; a
            breakdance crew; a freestyle session; MCs on a street corner; a basketball court in Harlem; a crate
            digger; a block with boomboxes; a skate video from the nineties; a rap documentary; an MC's verse; an
            open mic night for rappers; a beat battle; an old boombox; a hip hop dance class; spray cans and
            sneakers; a poet who raps; Queensbridge; a DJ with two turntables; a late night rap radio show; a
            barber shop in Brooklyn; a documentary about breakdance; a poetry slam with beats; a skateboarder in
            nineties New York; a mixtape on cassette; two rappers trading verses; a dance battle on cardboard; a
            spray-can artist at work; a record shop basement; a late-night rap show on college radio; rooftops of
            Harlem""",
        whole="""a beat I can rap on, like in the nineties; head-nodding beat with a jazz loop; raw hip hop drums; old
            rap records; gritty New York rap instrumental; no 808s, real breaks and samples; lyrical rappers need
            this; kick, snare and a sample, nothing else; dirty drums and a horn sample; classic rap vibe; not
            trap but old school; I want to spit bars over it; hard drums with swing for an emcee; rough street
            beat; beat rap jazzy old school; ein Beat zum Rappen wie früher; un beat de rap de los noventa; nod
            your head; the golden years of hip hop; sample flips and punchy drums; give my rhymes a raw backing;
            sampled drums that knock; like the rap records my big brother had; dusty samples and hard drums for
            rapping; rap from when people wore baggy jeans; loop it and let the MC talk; hip hop made on an old
            sampler; simple beat, strong snare, jazzy loop; words matter, so keep the beat plain and hard; a
            proper hip hop instrumental; no autotune era; swinging drums with dirt on them""",
        hints="""mpc; crates; scratching; graffiti; sneakers; a boombox; hoodies and timberlands; bars; lyricism; flow;
            punchlines; emcee; the four elements; a ghetto blaster; windmill and headspin; a block party in the
            Bronx; knocking drums; sampled strings; a raw break; swing and snare; dirty loop; jazz samples;
            headnod; backspin; real rap; concrete jungle; street poetry; rugged; crate digging; old samplers;
            grimy; kick, snare, sample; subway; rhyme battle; soul sample sped up; piano loop for a rapper;
            nineties head-nod; a loop from an old record with hard drums; rapper's delight; conscious lyrics;
            basement cassette; hip hop heads; drum break and bass loop; rap from before the internet; mic check
            one two; classic break and horn; beats and rhymes""",
        abroad="""hip-hop der Neunziger; rap à l'ancienne; rap de la vieja escuela; vecchia scuola; rap conscient;
            klassischer Hip-Hop; boucle de jazz et batterie sèche; sample de jazz con batería dura; oldschool rap
            beat; base hip hop clásica; stary rap; rapmusik wie damals; hip hop anni novanta; platos y scratch;
            gritty beat voor rappers""",
    ),
    "lo-fi hip hop": Said(
        names="""lofi; lo-fi; lo fi; lofi hip hop; lofi hiphop; lo-fi beats; chillhop; chill hop; study beats; study
            music; lofi beats; jazzhop; sad lofi; lofi jazz; bedroom beats; chill beats; beats to relax to;
            low-fi; lowfi; loffi; lofi chill; sleepy beats; rainy lofi; coffee shop beats; instrumental chill hop;
            mellow beats; dusty beats; anime lofi; vibey beats; lofi piano; lofi guitar; focus beats; chilled hip
            hop; cassette beats; soft hip hop; homework beats; slow jams to study; lofi para estudiar""",
        heard="""tape wobble; dusty drums; vinyl crackle; a muffled kick; a mellow rhodes; jazzy seventh chords on a
            worn tape; a detuned piano; rain sounds and soft drums; a quiet guitar loop with soft drums; warbling
            keys; hiss; a swung beat at 75 bpm; low-passed drums; sleepy bass; nylon guitar over a dusty beat;
            rolled-off highs; side-stick snare, soft and late; a warm electric piano loop; soft mallets over a
            lazy beat; bitcrushed keys; cassette noise; a music box over chill drums; soft kick and a brushed
            snare with hiss; blurry electric piano; a sleepy guitar lick over a slow beat; faded jazz chords; a
            drowsy vibraphone loop with drums; warped vinyl chords; mellow bass and a quiet shaker beat; an old
            keyboard through a broken speaker; light rain and a drum loop""",
        scenes="""studying; homework; reading a book with tea; a rainy window; a cat on the sofa; coding at night; a
            cozy bedroom; a coffee shop; a livestream break screen; a study vlog; journaling; a lazy Sunday; exam
            week; working from home; cooking in slippers; a train ride on a grey day; a library; a desk lamp at
            midnight; a sketching session; a puzzle game; a cozy farming game; an office playlist; drawing manga;
            winding down after school; a pomodoro timer; doing maths homework; a study group; a pot of tea; a slow
            evening indoors; a bus window in drizzle; an illustrator at work; planning my week; a quiet stream;
            watering plants; an empty classroom; a pixel-art cafe; a night shift at a desk; a nap on the couch;
            cleaning my room slowly; learning vocabulary""",
        whole="""something chill to study to; relaxing beat, not distracting; help me concentrate, soft beat; cozy and
            nostalgic with crackle; a warm sleepy loop; soft hip hop without rap; background beats for working;
            music for focus; laid-back and a bit sad; it should sound like an old cassette; beats for relaxing
            with jazzy chords; calm beat in the rain; musik zum lernen; beats zum Chillen; musique pour
            travailler, douce; música para estudiar; unobtrusive instrumental with a slow beat; gentle, imperfect,
            warm; like those 24/7 study streams; sleepy head nodding; quiet beat for my podcast background; calm
            my nerves before the exam; a beat that does not disturb; music to write essays to; comfy and slightly
            out of tune; mellow loop I can leave on for hours; a soft beat with memories in it; I want to relax
            and draw; hushed and grainy with gentle drums; an easy beat for slow days; peaceful, with a little
            drum loop; quiet rap beat without the rap; warm as a sweater; gentle beats for concentration; dreamy
            and scratchy""",
        hints="""study; focus; blanket; slippers; hot chocolate; cat; pyjamas; notebook; candles and books; dozing;
            crackle; nostalgia; polaroid; late-night coding; pastel; drowsy; mellow; cozy; chilling; ramen; tea;
            headphones on; overcast; tape loop; hazy afternoon; a lazy drum loop; sleepyhead; slow morning;
            unwind; faded; daydreaming in class; a study room; gentle head nod; warm keys and lazy drums; worn-out
            tape; quiet beat; wobbly; old radio; soft piano and slow drums; easy to ignore; not too exciting;
            typing on a laptop; a beat like a hug; low volume beats; calm and repetitive with drums; guitar and
            vinyl noise; lullaby with a beat; snow outside, lamp inside; childhood video games, slow;
            concentration; essay writing""",
        abroad="""zum Lernen; hausaufgaben; étudier; pour réviser; estudiar; tranquilo para estudiar; per studiare;
            ruhiger Beat; beat doux; ritmo suave para leer; do nauki; gemütlich; relajante con lluvia; Regen am
            Fenster; musik zum konzentrieren; om te studeren; beats zum Einschlafen; douce mélancolie et vinyle""",
    ),
    "soul": Said(
        names="""neo soul; neosoul; r&b; rnb; r 'n' b; rhythm and blues; slow jam; motown; southern soul; northern
            soul; philly soul; gospel; classic soul; soul ballad; soul music; sweet soul; deep soul; contemporary
            r&b; 90s r&b; doo-wop; soul blues; memphis soul; chicago soul; blue-eyed soul; smooth soul; romantic
            soul; soul-jazz ballad; gospel ballad; blues; slow blues; retro soul; rare groove ballad; soulful
            ballad; musica soul; soulmusik; modern soul; love songs; bedroom r&b""",
        heard="""a warm electric piano; a hammond organ with leslie; laid-back drums; lush ninth chords; a deep bass in
            the pocket; soft horns; gospel piano; a wurlitzer; a tender guitar lick; strings and soft brass; a
            slow twelve-eight groove; oohs in harmony; smooth bass guitar; drums that drag behind the beat;
            tambourine and horns, sixties; velvet chords; organ swells; gospel chords; rhodes and fingersnaps; a
            hand clap on two and four, slow; a pleading saxophone; major seventh chords, unhurried; sparse
            neo-soul drums; mellow guitar chords with slides; a gospel organ under a slow groove; a tearful guitar
            and soft horns; creamy electric piano; finger snaps and warm bass; backing oohs; a slow drum groove
            with a lazy snare; sweet strings over a soft beat; gospel piano with tambourine; a churchy organ and a
            slow backbeat; a deep, patient bass line""",
        scenes="""a romantic evening; a candlelit dinner; a slow dance; making love; a wedding's first dance; a Baptist
            church; a break-up; a Sunday morning in bed; an anniversary; falling in love; Detroit in 1965; a
            Memphis studio; a girl group on television; Valentine's day; a proposal; a jazz cafe with a singer; a
            rainy night with a lover; a velvet sofa; a bubble bath; a late night radio love hour; a heartbreak at
            closing time; the Apollo theatre; a family barbecue with old records; a gospel choir; a couple on the
            sofa; an anniversary dinner; a slow dance at the prom; a chapel in Alabama; a juke box in a diner;
            lovers making up; a record player and red wine; a rainy Sunday with my wife; a marriage proposal; a
            bedroom scene; a gospel brunch; a ladies' night ballad; a velvet-curtained nightclub singer; a bath
            with candles""",
        whole="""smooth and romantic; something sensual and slow; make it warm and soulful; love song with electric
            piano; a ballad full of feeling; sexy slow groove with rhodes; heartfelt, like old records from
            Memphis; tender groove for lovers; relaxed groove with gospel harmony; music for kissing; silky,
            intimate, in the pocket; a vintage ballad with organ; emotional singer's backing track; I miss you
            baby; musique romantique et chaude; romantische langsame Musik; música romántica y suave; rich jazzy
            chords and a slow backbeat; easy sixties groove with tambourine and strings; baby please don't go; my
            heart aches; put me in the mood for love; a warm voice would fit on top; sing me a love song with an
            organ; feel-good sixties rhythm and blues; pour your heart out; slow, deep and sensual; tender as a
            kiss; old love songs from Detroit; warm, human, romantic groove; I want her back; sweet and slow with
            lush chords; smooth late-night love music; sunday morning, coffee, electric piano and a lazy groove;
            music with heart""",
        hints="""love; romance; heartbreak; tenderness; a kiss; roses; candlelight; church; velvet; honey; silk;
            Valentine; passion; pleading; devotion; darling; sexy; sensual; warm; crooning; tears on a pillow; a
            serenade; late night lovers; smooth; harmony; rhodes; falsetto; a sixties girl group; a record hop;
            Detroit; Philadelphia; warm horns and strings; holding hands; groove for grown-ups; slow backbeat; a
            vintage love song; electric piano and bass; lush chords; organ ballad; brushed slow groove; a crying
            guitar, slow; sweet harmony; soft funk for lovers; slow and sexy; rhythm and blues with a modern
            touch; gospel chords and finger snaps; a quiet jam for two; deep feelings; old school love songs; slow
            burner; a last dance; make up after a fight""",
        abroad="""amour; musique d'amour; Liebeslied; romantisch; canción de amor; amore; lento romántico; pour danser
            un slow; música sensual y lenta; herzschmerz; Kuschelrock ohne Rock; kirche und gospel; miłość; balada
            romántica con órgano; voix de velours; soirée romantique""",
    ),
    "funk": Said(
        names="""p-funk; disco funk; jazz funk; electro funk; boogie; disco; 70s funk; funky music; funk rock; deep
            funk; new orleans funk; go-go; soul funk; groove music; funky soul; brit funk; minneapolis sound;
            blaxploitation; acid funk; funkee; funk groove; slap bass funk; afro disco funk; breakbeat funk; rare
            groove; fusion funk; dance funk; live band groove; second line funk; fonk; funk brasileiro band;
            funky; la funk; 70s disco; cop show music; funky jam; big band funk""",
        heard="""slap bass; a wah-wah guitar; scratch guitar; clavinet; horn stabs; a tight syncopated drum groove;
            ghost notes on the snare; a popping bass line; sixteenth-note rhythm guitar; brass hits; a
            talkbox-like synth; congas and wah guitar; cowbell; a chicken-picked guitar; moog bass, squelchy; a
            drum break; thumb-slapped bass; a stop-time horn section; tight hi-hats and syncopated bass; an
            envelope-filter bass; disco strings with a slapped bass; one chord vamp with horns; muted guitar
            strokes; organ stabs and a busy bass; a bouncing thumb bass; rhythm guitar like a scratching hen;
            blasts of brass; a busy hi-hat and syncopated kick; wah pedal and bongos; clav riffs; a rubbery moog
            bass with claps; a tambourine and horns groove; a stabbing organ and drums; percussive guitar muting""",
        scenes="""a seventies dance show; a roller rink; a block party; a cop chase in 1975; a disco ball; a soul train
            line; a sweaty club with a live band; big afros and platform shoes; a heist film; a game show; a
            street parade; a barbecue with a live band; a comedy show's house band; dancing with friends;
            strutting down the street; a pimped Cadillac; a dance-off; a cooking show; a fashion montage in the
            seventies; a bass player's solo; a jam session; New Orleans at night; a late show band; a workout with
            a grin; a street dance crew; a soul food kitchen; a caper movie; a costume party with flares; a
            halftime show; a cheeky advert; a bass clinic; a hot summer night in the city with a band; a carnival
            float; a talk show intro; a hip grandfather dancing""",
        whole="""make it funky; groove that makes you move, with slap bass; tight band, horns, dance; dirty, sweaty
            groove; the bass leads and everybody dances; I want to strut; syncopated and playful; seventies dance
            band with brass; get down; give me a groove that's in the pocket and cheeky; guitar scratching, bass
            popping; danceable live band, no synth; quirky and greasy; bass, drums and wah, one chord; funkige
            Musik mit Slap-Bass; groove funky avec cuivres; un groove bailable con bajo slap; shake your hips;
            smells like sweat and hair spray; get on up; make me dance with real instruments; bass in front, horns
            behind; tight, dry and cheeky; I need swagger; groove so hard it hurts; a band that locks in and
            sweats; strutting and winking; disco with a live bass player; the guitar goes chaka-chaka; jam on one
            chord and shout; bounce with brass; party of 1974; hips, not head; playful bass and snappy drums; a
            dirty groove with clav and horns""",
        hints="""slap; groove; bassline; wah; platform shoes; afro wig; disco inferno; strut; shake; jive; soul
            brother; a brass section; syncopation; clav; bump; mothership; a roller disco; bell bottoms; cheeky;
            party people; super bad; brass and bass; stabs; jam band; thumb bass; the pocket; ghost notes; sassy;
            cop car; squelch bass; moustache; undercover cops in the seventies; feel-good brass; guitar chops and
            horns; hot pants; tight band; big bad bass; dirty clavinet; hip shaking; horns on the offbeat; drummer
            in the pocket; disco with live band; chanking guitar; get your groove on; street band with sousaphone
            and drums; dance contest in 1977; a brass riff and slapping; kung fu film soundtrack; a break for
            b-boys with live band; swagger""",
        abroad="""slap de bajo; basse slappée; fonky; cuivres et groove; metales y bajo; Siebziger Jahre Disco; tanzbar
            mit Bläsern; groove años setenta; musica funky; anni settanta; ritmo sabroso con bajo; le groove; lata
            siedemdziesiąte; Bassgroove; ça groove""",
    ),
}  # fmt: skip
